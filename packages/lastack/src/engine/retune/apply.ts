import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  differingKeys,
  pickOptions,
  type RetuneOutcome,
  type RetuneStep,
  type SocketOptions,
  wishText,
} from '@lastack/core';
import { optionsOf } from '@lastack/kernel';
import { RETUNE_ACTION, retuneData } from '../../journal/retune_change.ts';
import { TARGETS_PER_ENTRY } from '../../journal/target_data.ts';
import type { ApplyContext } from '../../remedies/remedy.ts';
import { workOnDescriptor } from '../../remedies/shared/on_descriptor.ts';
import { TURN, withoutDescriptor } from './plan.ts';
import { setAllOrNone } from './set_options.ts';

/** What became of one step. */
export interface RetuneResult {
  step: RetuneStep;
  outcome: Exclude<RetuneOutcome, 'planned'>;
  /** As read back. */
  after?: SocketOptions;
  /** The journal entry that took it down. */
  entry?: number;
  because?: string;
  todo?: string;
}

/**
 * Sets the options, a journal entry at a time; what has them already is only reported. Stops when interrupted: what was
 * not tried is left out. @throws UserError when the journal cannot be written: then nothing more is set
 */
export async function applyRetunes(context: ApplyContext, steps: readonly RetuneStep[]): Promise<RetuneResult[]> {
  const results = new Map<RetuneStep, RetuneResult>();
  const open = steps.filter(({ keys }) => keys.length > 0);
  for (const step of steps) {
    if (step.keys.length === 0) results.set(step, { step, outcome: 'already-so', after: step.before });
  }
  for (let at = 0; at < open.length && !context.signal.aborted; at += TARGETS_PER_ENTRY) {
    const batch = await applyBatch(context, open.slice(at, at + TARGETS_PER_ENTRY), at);
    for (const result of batch) results.set(result.step, result);
  }
  return steps.flatMap((step) => results.get(step) ?? []);
}

async function applyBatch(context: ApplyContext, steps: readonly RetuneStep[], done: number): Promise<RetuneResult[]> {
  const { journal, signal } = context;
  const what = `set ${setText(steps)} on ${steps.length === 1 ? '1 socket' : `${steps.length} sockets`}`;
  const id = journal.begin({ action: RETUNE_ACTION, summary: what, data: retuneData(steps) });
  const results: RetuneResult[] = [];
  for (const step of steps) {
    if (results.length % TURN === 0) await nextTurn();
    if (signal.aborted) break;
    results.push({ ...(await applyOne(context, step)), entry: id });
    context.progress(done + results.length);
  }
  const changed = results.filter(({ outcome }) => outcome === 'changed').length;
  const summary = `${changed} of ${steps.length} changed`;
  journal.end(id, { action: RETUNE_ACTION, summary, data: { changed } });
  return results;
}

/** Every option that some of the steps change. */
function setText(steps: readonly RetuneStep[]): string {
  const changes = steps.map(({ after, keys }) => pickOptions(after, keys));
  return wishText(Object.assign({}, ...changes));
}

async function applyOne(context: ApplyContext, step: RetuneStep): Promise<RetuneResult> {
  const { target, before, after, keys } = step;
  const worked = await workOnDescriptor(context, target, (libc, socket): Omit<RetuneResult, 'step'> => {
    const present = optionsOf(libc, socket);
    if (present === undefined) return { outcome: 'unsupported', because: 'its options cannot be read' };
    // What `undo` would put back is in the journal already: it must still be true.
    if (differingKeys(present, pickOptions(before, keys)).length > 0) {
      const because = 'its program has set these options itself meanwhile: left alone';
      return { outcome: 'changed-meanwhile', because, todo: 'run it again' };
    }
    const set = setAllOrNone(libc, socket, present, after, keys);
    return 'read' in set ? { outcome: 'changed', after: set.read } : { outcome: 'unsupported', because: set.because };
  });
  if ('value' in worked) return { step, ...worked.value };
  return { step, ...(withoutDescriptor(worked) as Omit<RetuneResult, 'step'>) };
}
