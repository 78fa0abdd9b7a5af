import type { PlannedStep } from '@lastack/core';
import { type Effects, Exit } from '../../effects.ts';
import type { ClearResult } from '../../engine/clear.ts';
import type { Scope } from '../../engine/namespaces.ts';
import type { Observation } from '../../engine/observation.ts';
import {
  countOutcomes,
  type Guarded,
  guardedJson,
  notTriedJson,
  type OutcomeJson,
  type OutcomeResultJson,
  plannedJson,
  resultJson,
} from '../../report/outcome_json.ts';
import { writeFitting } from './fit_lines.ts';
import { noMatch } from './no_match.ts';
import { noteLine } from './note_line.ts';
import { renderOutcome, renderPlan } from './plan.ts';
import { printable } from './printable.ts';
import { showProgress } from './progress.ts';

/** Everything `clear` says, as text or as JSON, and the exit code that goes with it. */
export class ClearReport {
  readonly #effects: Effects;
  readonly #json: boolean;
  readonly #dryRun: boolean;
  readonly #observation: Observation;
  readonly #guarded: readonly Guarded[];
  /** What the means does beyond the named sockets; shown with the plan. */
  sideEffects: readonly string[] = [];
  #total = 0;
  #planShown = false;

  constructor(
    effects: Effects,
    flags: { json?: boolean; dryRun?: boolean },
    observation: Observation,
    guarded: readonly Guarded[],
  ) {
    this.#effects = effects;
    this.#json = flags.json ?? false;
    this.#dryRun = flags.dryRun ?? false;
    this.#observation = observation;
    this.#guarded = guarded;
  }

  /** Nothing matched, or only what is left alone. */
  nothing(guarded: number, scope: Scope): number {
    if (this.#json) this.#writeJson(() => [], false);
    else if (guarded > 0) writeFitting(this.#effects.stdout, renderPlan([], this.#guarded));
    this.#writeNotes();
    this.#effects.stderr.write(
      `lastack: ${guarded > 0 ? 'nothing cleared: all that matched is left alone' : noMatch(scope)}\n`,
    );
    return Exit.FOUND_OR_NO_MATCH;
  }

  planned(steps: readonly PlannedStep[]): number {
    const all = () => made(steps, plannedJson);
    if (this.#json) this.#writeJson(all, false);
    else this.showPlan(steps);
    this.#writeNotes();
    return exitCode(all());
  }

  showPlan(steps: readonly PlannedStep[]): void {
    if (this.#json || this.#planShown) return;
    this.#planShown = true;
    const also = this.sideEffects.map((line) => `also: ${printable(line)}\n`);
    writeFitting(this.#effects.stdout, renderPlan(steps, this.#guarded) + also.join(''));
  }

  declined(): number {
    this.#effects.stderr.write('lastack: nothing was changed\n');
    return Exit.FOUND_OR_NO_MATCH;
  }

  /** From here on so many sockets are being cleared. */
  begins(total: number): void {
    this.#total = total;
  }

  progress(done: number): void {
    showProgress(this.#effects, done, this.#total);
  }

  finished(steps: readonly PlannedStep[], results: readonly ClearResult[], interrupted: boolean): number {
    const all = () => outcomes(steps, results);
    if (this.#json) this.#writeJson(all, interrupted);
    else writeFitting(this.#effects.stdout, renderOutcome(joined(all(), made(this.#guarded, guardedJson))));
    this.#writeNotes();
    return interrupted ? Exit.INTERRUPTED : exitCode(all());
  }

  /** Piece by piece: a hundred thousand results are 40 MB of text. */
  #writeJson(results: () => Iterable<OutcomeResultJson>, interrupted: boolean): void {
    const all = () => joined(results(), made(this.#guarded, guardedJson));
    const { stdout } = this.#effects;
    const document: OutcomeJson = {
      schema: 'lastack.outcome/1',
      host: this.#observation.host,
      at: new Date(this.#observation.atMs).toISOString(),
      dryRun: this.#dryRun,
      interrupted,
      counts: countOutcomes(all()),
      results: [],
      notes: this.#observation.notes.map(({ what, because, todo }) => ({ what, because, todo })),
    };
    const [head, tail] = JSON.stringify(document).split('"results":[]');
    stdout.write(`${head}"results":[`);
    for (const piece of jsonPieces(all())) stdout.write(piece);
    stdout.write(`]${tail}\n`);
  }

  #writeNotes(): void {
    for (const note of this.#observation.notes) {
      if (note.incomplete) this.#effects.stderr.write(`lastack: ${noteLine(note)}\n`);
    }
  }
}

function* made<T>(from: readonly T[], make: (one: T) => OutcomeResultJson): Generator<OutcomeResultJson> {
  for (const one of from) yield make(one);
}

function* joined(...parts: readonly Iterable<OutcomeResultJson>[]): Generator<OutcomeResultJson> {
  for (const part of parts) yield* part;
}

/** What became of each socket, and those whose turn did not come. */
function* outcomes(steps: readonly PlannedStep[], results: readonly ClearResult[]): Generator<OutcomeResultJson> {
  yield* made(results, resultJson);
  if (results.length === steps.length) return;
  const tried = new Set(results.map(({ target }) => target));
  for (const step of steps) if (!tried.has(step.target)) yield notTriedJson(step);
}

const PIECE = 500;

function* jsonPieces(results: Iterable<OutcomeResultJson>): Generator<string> {
  let piece: OutcomeResultJson[] = [];
  let separator = '';
  for (const result of results) {
    piece.push(result);
    if (piece.length < PIECE) continue;
    yield separator + JSON.stringify(piece).slice(1, -1);
    [piece, separator] = [[], ','];
  }
  if (piece.length > 0) yield separator + JSON.stringify(piece).slice(1, -1);
}

/** 0 only when every socket is gone (or planned); 3 when none could be for want of permission or support; else 4. */
function exitCode(results: Iterable<OutcomeResultJson>): number {
  const { cleared = 0, planned = 0, ...others } = countOutcomes(results);
  const good = cleared + planned + (others['already-gone'] ?? 0);
  const refused = (others.unsupported ?? 0) + (others['not-permitted'] ?? 0);
  const all = cleared + planned + Object.values(others).reduce((sum, each) => sum + each, 0);
  if (good === all) return Exit.OK;
  return refused === all ? Exit.NOT_POSSIBLE : Exit.PARTIAL;
}
