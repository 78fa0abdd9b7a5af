import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ClearTarget,
  type ForecastInput,
  planRetune,
  type RetuneRefusal,
  type RetuneStep,
  type RetuneWish,
  refuseRetune,
} from '@lastack/core';
import { optionsOf } from '@lastack/kernel';
import type { ApplyContext } from '../../remedies/remedy.ts';
import { workOnDescriptor } from '../../remedies/shared/on_descriptor.ts';

/** A socket that may be retuned, and what its forecasts are made from (without its options, which are read here). */
export interface RetuneCandidate {
  target: ClearTarget;
  input: ForecastInput;
  wish: RetuneWish;
}

/** What was found out about one candidate. */
export type RetunePlanned = RetuneStep | RetuneRefusal;

/** Ctrl-C is heard after so many: the work itself is synchronous. */
export const TURN = 32;

/** What can be done, and what cannot. */
export function sorted(planned: readonly RetunePlanned[]): { steps: RetuneStep[]; refusals: RetuneRefusal[] } {
  const steps: RetuneStep[] = [];
  const refusals: RetuneRefusal[] = [];
  for (const one of planned) {
    if ('keys' in one) steps.push(one);
    else refusals.push(one);
  }
  return { steps, refusals };
}

/**
 * Reads the present options of each candidate through a duplicate of a descriptor, and works out what would change.
 * Changes nothing. Stops when interrupted: what was not read yet is left out.
 */
export async function planRetunes(
  context: Pick<ApplyContext, 'effects' | 'diag' | 'signal'>,
  candidates: readonly RetuneCandidate[],
): Promise<RetunePlanned[]> {
  const planned: RetunePlanned[] = [];
  for (const candidate of candidates) {
    if (planned.length % TURN === 0) await nextTurn();
    if (context.signal.aborted) break;
    planned.push(await planOne(context, candidate));
  }
  return planned;
}

async function planOne(
  context: Pick<ApplyContext, 'effects' | 'diag'>,
  { target, input, wish }: RetuneCandidate,
): Promise<RetunePlanned> {
  const refusal = refuseRetune(target);
  if (refusal) return { target, ...refusal };
  const read = await workOnDescriptor(context, target, optionsOf);
  if (!('value' in read)) return { target, ...withoutDescriptor(read) };
  if (read.value === undefined) return { target, outcome: 'unsupported', because: 'its options cannot be read' };
  return planRetune(target, input, read.value, wish);
}

type NoDescriptor = Exclude<Awaited<ReturnType<typeof workOnDescriptor>>, { value: unknown }>;

/** A descriptor number that is another socket now is another identity, also where the addresses are free. */
export function withoutDescriptor({ outcome, because, todo, reused }: NoDescriptor): Omit<RetuneRefusal, 'target'> {
  if (outcome === 'already-gone' && reused) {
    const { pid, fd } = reused;
    return {
      outcome: 'identity-changed',
      because: `it is gone, and descriptor ${fd} of process ${pid} is another socket now: left alone`,
    };
  }
  return { outcome: outcome as RetuneRefusal['outcome'], because, todo };
}
