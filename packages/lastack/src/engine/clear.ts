import {
  type Abilities,
  type ClearTarget,
  type MeansId,
  type Outcome,
  type PlannedStep,
  planSteps,
} from '@lastack/core';
import { lookupSockets } from '@lastack/kernel';
import type { ApplyContext, Attempt, Remedy } from '../remedies/remedy.ts';
import { TriedMeans } from './tried_means.ts';

/** What became of one socket in the end. */
export interface ClearResult {
  target: ClearTarget;
  /** The last means that was used; undefined when none could be. */
  means: MeansId | undefined;
  outcome: Outcome;
  lostBytes: number;
  because?: string;
  todo?: string;
  remains?: string;
}

export interface ClearOptions {
  abilities: Abilities;
  remedies: Readonly<Partial<Record<MeansId, Remedy>>>;
  forced: MeansId | undefined;
  /** Sockets that a gentle means did not end are given to the next one. */
  escalate: boolean;
  /** How long a FIN or a reset may take to show before the socket counts as still there. */
  patienceMs: number;
}

/** A connection that is closed by FIN needs a round trip, or several when the peer is far. */
const LOOK_AGAIN_MS = 50;

/**
 * Carries out a plan: applies each means to its sockets, looks every socket up again, and goes one step up the ladder
 * with those that are still there. Each target gets exactly one result. Stops between batches when interrupted: what
 * was not tried is left out of the results.
 */
export async function clearSockets(
  context: ApplyContext,
  steps: readonly PlannedStep[],
  options: ClearOptions,
): Promise<ClearResult[]> {
  const results = new Map<ClearTarget, ClearResult>();
  const tried = new TriedMeans();
  let pending = [...steps];
  while (pending.length > 0 && !context.signal.aborted) {
    const applied = await applyAll(context, pending, options, tried, results);
    const stuck = await verify(context, applied, options.patienceMs, results);
    if (!options.escalate || options.forced !== undefined) break;
    pending = planSteps(stuck, {
      abilities: options.abilities,
      means: options.remedies,
      tried: (target) => tried.of(target),
    }).filter(({ means }) => means !== undefined);
  }
  return steps.flatMap(({ target }) => results.get(target) ?? []);
}

/** Applies one round. @returns the targets whose remedy claims success, to be verified */
async function applyAll(
  context: ApplyContext,
  steps: readonly PlannedStep[],
  { remedies }: ClearOptions,
  tried: TriedMeans,
  results: Map<ClearTarget, ClearResult>,
): Promise<ClearTarget[]> {
  const claimed: ClearTarget[] = [];
  const byMeans = new Map<MeansId, PlannedStep[]>();
  for (const step of steps) {
    if (step.means === undefined) {
      results.set(step.target, refused(step));
      continue;
    }
    const ofMeans = byMeans.get(step.means);
    if (ofMeans) ofMeans.push(step);
    else byMeans.set(step.means, [step]);
  }
  for (const [means, ofMeans] of byMeans) {
    const remedy = remedies[means];
    if (!remedy || context.signal.aborted) continue;
    const targets = ofMeans.map(({ target }) => target);
    const attempts = await remedy.apply(context, targets);
    attempts.forEach((attempt, index) => {
      if (!attempt) return;
      const { target, preview } = ofMeans[index];
      tried.add(target, means);
      const previous = results.get(target);
      results.set(target, resultOf(target, means, attempt, preview?.lostBytes ?? 0, preview?.remains, previous));
      if (attempt.outcome === 'applied') claimed.push(target);
    });
  }
  return claimed;
}

function refused({ target, refusal }: PlannedStep): ClearResult {
  const { outcome = 'unsupported', because, todo } = refusal ?? {};
  return { target, means: undefined, outcome, lostBytes: 0, because, todo };
}

function resultOf(
  target: ClearTarget,
  means: MeansId,
  attempt: Attempt,
  lostBytes: number,
  remains: string | undefined,
  previous: ClearResult | undefined,
): ClearResult {
  const { outcome, because, todo } = attempt;
  // `applied` is only a claim: until the kernel was asked again the socket counts as being there.
  if (outcome === 'applied') {
    return { target, means, outcome: 'still-stuck', lostBytes, because, todo, remains: attempt.remains ?? remains };
  }
  // A later rung that cannot be climbed does not undo what an earlier one did.
  if (previous?.outcome === 'still-stuck' && (outcome === 'unsupported' || outcome === 'not-permitted'))
    return previous;
  return { target, means, outcome, lostBytes: 0, because, todo };
}

/** Looks the sockets up until they are gone or patience ends. @returns those that are still there */
async function verify(
  context: ApplyContext,
  targets: readonly ClearTarget[],
  patienceMs: number,
  results: Map<ClearTarget, ClearResult>,
): Promise<ClearTarget[]> {
  const until = context.effects.monotonicMs() + patienceMs;
  let left = [...targets];
  for (;;) {
    const there: ClearTarget[] = [];
    for (const [namespaceInode, ofNamespace] of groupByNamespace(left)) {
      const found = await lookupSockets(context.diag(namespaceInode), ofNamespace);
      ofNamespace.forEach((target, index) => {
        const result = results.get(target);
        if (!result) return;
        const state = found[index];
        // A new connection of the same addresses is proof that the old one has gone.
        if (state.kind !== 'there') {
          result.outcome = 'cleared';
          result.because = undefined;
          result.todo = undefined;
        } else {
          there.push(target);
        }
      });
    }
    left = there;
    if (left.length === 0 || context.signal.aborted || context.effects.monotonicMs() >= until) return left;
    await context.effects.sleep(LOOK_AGAIN_MS);
  }
}

function groupByNamespace(targets: readonly ClearTarget[]): Map<number, ClearTarget[]> {
  const groups = new Map<number, ClearTarget[]>();
  for (const target of targets) {
    const group = groups.get(target.namespaceInode);
    if (group) group.push(target);
    else groups.set(target.namespaceInode, [target]);
  }
  return groups;
}
