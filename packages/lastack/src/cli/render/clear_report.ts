import type { PlannedStep } from '@lastack/core';
import { type Effects, Exit } from '../../effects.ts';
import type { ClearResult } from '../../engine/clear.ts';
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
  nothing(guarded: number): number {
    if (this.#json) this.#writeJson([], false);
    else if (guarded > 0) this.#effects.stdout.write(renderPlan([], this.#guarded));
    this.#writeNotes();
    this.#effects.stderr.write(
      guarded > 0 ? 'lastack: nothing cleared: all that matched is left alone\n' : 'lastack: no socket matches\n',
    );
    return Exit.FOUND_OR_NO_MATCH;
  }

  planned(steps: readonly PlannedStep[]): number {
    if (this.#json) this.#writeJson(steps.map(plannedJson), false);
    else this.showPlan(steps);
    this.#writeNotes();
    return exitCode(steps.map(plannedJson));
  }

  showPlan(steps: readonly PlannedStep[]): void {
    this.#total = steps.length;
    if (this.#json || this.#planShown) return;
    this.#planShown = true;
    this.#effects.stdout.write(renderPlan(steps, this.#guarded));
    for (const line of this.sideEffects) this.#effects.stdout.write(`also: ${printable(line)}\n`);
  }

  declined(): number {
    this.#effects.stderr.write('lastack: nothing was changed\n');
    return Exit.OK;
  }

  progress(done: number): void {
    showProgress(this.#effects, done, this.#total);
  }

  finished(steps: readonly PlannedStep[], results: readonly ClearResult[], interrupted: boolean): number {
    const tried = new Set(results.map(({ target }) => target));
    const all = [...results.map(resultJson), ...steps.filter(({ target }) => !tried.has(target)).map(notTriedJson)];
    if (this.#json) this.#writeJson(all, interrupted);
    else this.#effects.stdout.write(renderOutcome([...all, ...this.#guarded.map(guardedJson)]));
    this.#writeNotes();
    return interrupted ? Exit.INTERRUPTED : exitCode(all);
  }

  #writeJson(results: readonly OutcomeResultJson[], interrupted: boolean): void {
    const all = [...results, ...this.#guarded.map(guardedJson)];
    const document: OutcomeJson = {
      schema: 'lastack.outcome/1',
      host: this.#observation.host,
      at: new Date(this.#observation.atMs).toISOString(),
      dryRun: this.#dryRun,
      interrupted,
      counts: countOutcomes(all),
      results: all,
      notes: this.#observation.notes.map(({ what, because, todo }) => ({ what, because, todo })),
    };
    this.#effects.stdout.write(`${JSON.stringify(document)}\n`);
  }

  #writeNotes(): void {
    for (const note of this.#observation.notes) {
      if (note.incomplete) this.#effects.stderr.write(`lastack: ${noteLine(note)}\n`);
    }
  }
}

/** 0 only when every socket is gone (or planned); 3 when none could be for want of permission or support; else 4. */
function exitCode(results: readonly OutcomeResultJson[]): number {
  const good = results.filter(
    ({ outcome }) => outcome === 'cleared' || outcome === 'already-gone' || outcome === 'planned',
  );
  if (good.length === results.length) return Exit.OK;
  const refused = results.filter(({ outcome }) => outcome === 'unsupported' || outcome === 'not-permitted');
  return refused.length === results.length ? Exit.NOT_POSSIBLE : Exit.PARTIAL;
}
