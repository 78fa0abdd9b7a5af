import type { RetuneRefusal, RetuneStep, RetuneWish } from '@lastack/core';
import { type Effects, Exit } from '../../effects.ts';
import type { Scope } from '../../engine/namespaces.ts';
import type { Observation } from '../../engine/observation.ts';
import type { RetuneResult } from '../../engine/retune/apply.ts';
import type { Guarded } from '../../report/outcome_json.ts';
import {
  guardedRetune,
  notTriedRetune,
  plannedRetune,
  type RetuneResultJson,
  refusedRetune,
  retunedJson,
  retuneJson,
} from '../../report/retune_json.ts';
import { noMatch } from './no_match.ts';
import { noteLine } from './note_line.ts';
import { showProgress } from './progress.ts';
import { pageOptions } from './report_options.ts';
import { renderRetuned, renderRetunePlan } from './retune.ts';

/** What planning found out about the sockets that matched. */
export interface RetunePlan {
  steps: readonly RetuneStep[];
  refusals: readonly RetuneRefusal[];
  guarded: readonly Guarded[];
}

interface Flags {
  json?: boolean;
  dryRun?: boolean;
}

/** Everything `retune` says, as text or as JSON, and the exit code that goes with it. */
export class RetuneReport {
  readonly #effects: Effects;
  readonly #flags: Flags;
  readonly #wanted: RetuneWish;
  readonly #observation: Pick<Observation, 'atMs' | 'notes'>;
  readonly #plan: RetunePlan;
  #planShown = false;

  constructor(
    effects: Effects,
    flags: Flags,
    wanted: RetuneWish,
    observation: Pick<Observation, 'atMs' | 'notes'>,
    plan: RetunePlan,
  ) {
    this.#effects = effects;
    this.#flags = flags;
    this.#wanted = wanted;
    this.#observation = observation;
    this.#plan = plan;
  }

  /** Nothing matched, or only what is left alone. */
  nothing(scope: Scope): number {
    const { guarded } = this.#plan;
    if (this.#flags.json) this.#writeJson([], [], false);
    else this.showPlan();
    this.#writeNotes();
    const what = guarded.length > 0 ? 'nothing retuned: all that matched is left alone' : noMatch(scope);
    this.#effects.stderr.write(`lastack: ${what}\n`);
    return Exit.FOUND_OR_NO_MATCH;
  }

  planned(): number {
    const results = this.#plan.steps.map(plannedRetune);
    if (this.#flags.json) this.#writeJson(results, [], false);
    else this.showPlan();
    this.#writeNotes();
    return this.#exitCode(results);
  }

  showPlan(): void {
    if (this.#flags.json || this.#planShown) return;
    this.#planShown = true;
    const { steps, refusals, guarded } = this.#plan;
    this.#effects.stdout.write(renderRetunePlan(steps, refusals, guarded, pageOptions(this.#effects)));
  }

  declined(): number {
    this.#effects.stderr.write('lastack: nothing was changed\n');
    return Exit.FOUND_OR_NO_MATCH;
  }

  progress(done: number): void {
    showProgress(this.#effects, done, this.#plan.steps.filter(({ keys }) => keys.length > 0).length);
  }

  finished(results: readonly RetuneResult[], interrupted: boolean): number {
    const tried = new Set(results.map(({ step }) => step));
    const left = this.#plan.steps.filter((step) => !tried.has(step));
    const entries = entriesOf(results);
    const all = [...results.map(retunedJson), ...left.map(notTriedRetune)];
    if (this.#flags.json) this.#writeJson(all, entries, interrupted);
    else {
      const { refusals, guarded } = this.#plan;
      // What the plan has said already need not be said again.
      const others = this.#planShown ? { refusals: [], guarded: [] } : { refusals, guarded };
      const text = renderRetuned(results, { ...others, notTried: left.length }, entries, pageOptions(this.#effects));
      this.#effects.stdout.write(text);
    }
    this.#writeNotes();
    return interrupted ? Exit.INTERRUPTED : this.#exitCode(all);
  }

  #exitCode(results: readonly RetuneResultJson[]): number {
    return retuneExitCode([...results, ...this.#plan.refusals.map(refusedRetune)]);
  }

  #writeJson(results: readonly RetuneResultJson[], entries: number[], interrupted: boolean): void {
    const { refusals, guarded } = this.#plan;
    const { atMs, notes } = this.#observation;
    const head = { host: this.#effects.hostname, atMs, dryRun: this.#flags.dryRun ?? false, interrupted, entries };
    const all = [...results, ...refusals.map(refusedRetune), ...guarded.map(guardedRetune)];
    const document = retuneJson({ ...head, wanted: this.#wanted }, all, notes);
    this.#effects.stdout.write(`${JSON.stringify(document)}\n`);
  }

  #writeNotes(): void {
    for (const note of this.#observation.notes) {
      if (note.incomplete) this.#effects.stderr.write(`lastack: ${noteLine(note)}\n`);
    }
  }
}

/** Those under which something was changed. */
export function entriesOf(results: readonly RetuneResult[]): number[] {
  const changed = results.filter(({ outcome }) => outcome === 'changed');
  return [...new Set(changed.flatMap(({ entry }) => entry ?? []))];
}

const GOOD: ReadonlySet<string> = new Set(['changed', 'already-so', 'planned', 'already-gone']);

/** 0 when every socket has the options, or is gone; 3 when none could get them for want of permission or support; else 4. */
function retuneExitCode(results: readonly Pick<RetuneResultJson, 'outcome'>[]): number {
  if (results.every(({ outcome }) => GOOD.has(outcome))) return Exit.OK;
  const isRefused = ({ outcome }: Pick<RetuneResultJson, 'outcome'>) =>
    outcome === 'unsupported' || outcome === 'not-permitted';
  return results.every(isRefused) ? Exit.NOT_POSSIBLE : Exit.PARTIAL;
}
