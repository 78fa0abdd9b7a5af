import type { ClearTarget } from '@lastack/core';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { attemptsByNamespace } from '../shared/by_namespace.ts';
import { failedAttempt } from '../shared/failures.ts';
import { recorded } from '../shared/recorded.ts';
import { type Bench, openBench } from './bench.ts';
import { resetByChallenge } from './challenge.ts';
import { mannerOf } from './manner.ts';
import { refuseAttempts } from './refuse_attempts.ts';

export function applyReset(context: ApplyContext, targets: readonly ClearTarget[]): Promise<(Attempt | undefined)[]> {
  return recorded(context, 'reset', targets, async (batch, done) => {
    let dealtWith = done;
    return attemptsByNamespace(batch, async (namespaceInode, ofNamespace) => {
      if (context.signal.aborted) return [];
      return resetIn(context, namespaceInode, ofNamespace, () => context.progress(++dealtWith));
    });
  });
}

async function resetIn(
  context: ApplyContext,
  namespaceInode: number,
  targets: readonly ClearTarget[],
  oneMore: () => void,
): Promise<(Attempt | undefined)[]> {
  const connecting = targets.filter((target) => mannerOf(target) === 'own-syn');
  let bench: Bench;
  try {
    bench = openBench(context, namespaceInode, connecting.length > 0);
  } catch (error) {
    const failed = failedAttempt(error);
    return targets.map(() => failed);
  }
  try {
    const made = new Map<ClearTarget, Attempt | undefined>();
    for (const target of targets) {
      if (context.signal.aborted) break;
      if (mannerOf(target) === 'own-syn') continue;
      made.set(target, await resetOne(context, bench, target));
      oneMore();
    }
    // These wait for their timers: the others need not wait with them.
    const refused = await refuseAll(context, bench, connecting);
    connecting.forEach((target, index) => {
      made.set(target, refused[index]);
      oneMore();
    });
    return targets.map((target) => made.get(target));
  } finally {
    bench.close();
  }
}

async function resetOne({ effects, signal }: ApplyContext, bench: Bench, target: ClearTarget) {
  try {
    return await resetByChallenge(bench, effects, signal, target);
  } catch (error) {
    return failedAttempt(error);
  }
}

async function refuseAll({ effects, signal }: ApplyContext, bench: Bench, targets: readonly ClearTarget[]) {
  try {
    return await refuseAttempts(bench, effects, signal, targets);
  } catch (error) {
    const failed = failedAttempt(error);
    return targets.map(() => failed);
  }
}
