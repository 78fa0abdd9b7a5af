import type { ClearTarget, MeansId } from '@lastack/core';
import type { Effects } from '../effects.ts';
import { holderSummaries, holderText } from '../remedies/signal/holder_summary.ts';
import { otherOrphans } from '../remedies/sweep-orphans/reach.ts';
import type { Observation } from './observation.ts';

/** What a means would do beyond the sockets that were named: one line each, for the plan. */
export function sideEffects(
  effects: Effects,
  observation: Observation,
  means: MeansId | undefined,
  targets: readonly ClearTarget[],
): string[] {
  if (means === 'signal' || means === 'restart') return holderLines(effects, observation, targets);
  return means === 'sweep-orphans' ? sweepLines(observation, targets) : [];
}

function holderLines(effects: Effects, observation: Observation, targets: readonly ClearTarget[]): string[] {
  const meant = new Map<number, { command: string; count: number }>();
  for (const { owners } of targets) {
    for (const { pid, command } of new Map(owners.map((owner) => [owner.pid, owner])).values()) {
      meant.set(pid, { command, count: (meant.get(pid)?.count ?? 0) + 1 });
    }
  }
  const summaries = holderSummaries(effects, observation, [...meant.keys()]);
  return [...summaries].map(([pid, summary]) => {
    const { command, count } = meant.get(pid) ?? { command: '?', count: 0 };
    return `${command} (pid ${pid}): ${holderText(summary, count)}`;
  });
}

function sweepLines({ namespaces }: Observation, targets: readonly ClearTarget[]): string[] {
  const cookies = new Set(targets.map(({ cookie }) => cookie));
  const inodes = new Set(targets.map(({ namespaceInode }) => namespaceInode));
  return namespaces
    .filter(({ inode }) => inodes.has(inode))
    .map(({ label, table }) => {
      const others = otherOrphans(table, cookies);
      return `network namespace ${label}: ${others} other ${others === 1 ? 'orphan is' : 'orphans are'} swept as well`;
    });
}
