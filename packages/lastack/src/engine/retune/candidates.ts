import { forecastInputOf, type RetuneWish, type Row, TimerCode, wishIn } from '@lastack/core';
import { fetchInfo } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { Observation, ObservedNamespace } from '../observation.ts';
import { fetchPaths } from '../second_pass.ts';
import { type SelectedRows, targetsFor } from '../select_rows.ts';
import type { RetuneCandidate } from './plan.ts';

/** The selected rows with their holders, and what their forecasts need. Rejects with KernelError. */
export async function retuneCandidates(
  effects: Effects,
  observation: Observation,
  selected: SelectedRows,
  wish: RetuneWish,
): Promise<RetuneCandidate[]> {
  for (const [namespace, rows] of selected) await fetchMissingInfo(namespace, rows);
  await fetchPaths(effects, observation, new Map([...selected].map((each) => [each[0], inFlight(...each)])));
  // One target for each row, in this order.
  const targets = targetsFor(effects, observation, selected, []).values();
  return [...selected].flatMap(([namespace, rows]) => {
    const ownWish = wishIn(wish, namespace.settings);
    return rows.map((row) => {
      const target = targets.next().value as RetuneCandidate['target'];
      return { target, input: forecastInputOf(observation, namespace, row), wish: ownWish };
    });
  });
}

async function fetchMissingInfo({ table, diag }: ObservedNamespace, rows: readonly Row[]): Promise<void> {
  const missing = rows.filter((row) => table.kind(row) === 'full' && table.info(row) === undefined);
  if (missing.length > 0) await fetchInfo(diag, table, missing);
}

/** Only what is being retransmitted is forecast by the state of its path. */
function inFlight({ table }: ObservedNamespace, rows: readonly Row[]): Row[] {
  return rows.filter((row) => table.kind(row) === 'full' && table.timer(row) === TimerCode.RETRANSMIT);
}
