import type { ClearTarget, MeansId } from '@lastack/core';
import { compactTargets, targetBatches } from '../../journal/target_data.ts';
import type { ApplyContext, Attempt } from '../remedy.ts';

/**
 * Runs `work` over the targets, a journal entry at a time: each entry names its sockets before they are touched and is
 * ended after them. Stops before the next entry when interrupted. `work` gives one attempt per target.
 */
export async function recorded(
  { journal, signal }: ApplyContext,
  means: MeansId,
  targets: readonly ClearTarget[],
  work: (batch: readonly ClearTarget[], done: number) => Promise<(Attempt | undefined)[]>,
): Promise<(Attempt | undefined)[]> {
  const attempts: (Attempt | undefined)[] = [];
  for (const batch of targetBatches(targets)) {
    if (signal.aborted) break;
    const what = batch.length === 1 ? '1 socket' : `${batch.length} sockets`;
    const id = journal.begin({ action: means, summary: `${means}: ${what}`, data: { targets: compactTargets(batch) } });
    const made = await work(batch, attempts.length);
    journal.end(id, { action: means, summary: `${means}: ${what}: ${counted(made)}`, data: countsOf(made) });
    attempts.push(...made);
  }
  return targets.map((_, index) => attempts[index]);
}

function countsOf(attempts: readonly (Attempt | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const attempt of attempts) {
    const key = attempt?.outcome ?? 'not-tried';
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function counted(attempts: readonly (Attempt | undefined)[]): string {
  return Object.entries(countsOf(attempts))
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(', ');
}
