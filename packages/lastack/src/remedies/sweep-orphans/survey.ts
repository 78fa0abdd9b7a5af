import { type ClearTarget, type Forecast, forecastInputOf, forecastSocket, type Row, stateName } from '@lastack/core';
import { DiagTable, dumpSockets, fetchInfo, readSettings, readTimerHz } from '@lastack/kernel';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { isGoverned, otherOrphans } from './reach.ts';

/** Nobody waits longer for a sweep: no timer of TCP runs for more than two minutes and its lateness. */
const LONGEST_WAIT_MS = 150_000;
/** Between what the forecast says and what a poll sees. */
const SLACK_MS = 2000;
const ALL_STATES = 0x3ffe;
const NO_OPTIONS: ReadonlyMap<bigint, never> = new Map<bigint, never>();

export interface Survey {
  /** By target: why a sweep is no use for it; undefined = it will be waited for. */
  refused: readonly (Attempt | undefined)[];
  /** Other orphans of the namespace that the sweep acts on as well. */
  others: number;
  /** Milliseconds until the last of the targets must have gone. */
  limitMs: number;
}

/** Looks at the targets before a sweep of their namespace, as it would be with this value. Rejects with KernelError. */
export async function surveyOrphans(
  { effects, diag, inside }: ApplyContext,
  namespaceInode: number,
  targets: readonly ClearTarget[],
  value: number,
): Promise<Survey> {
  const transport = diag(namespaceInode);
  const table = new DiagTable();
  await dumpSockets(transport, { states: ALL_STATES }, (words, view, at, end) => table.append(words, view, at, end));
  const wanted = new Set(targets.map(({ cookie }) => cookie));
  const rows = new Map<bigint, Row>();
  for (let row = 0; row < table.count; row++) {
    if (wanted.has(table.cookie(row))) rows.set(table.cookie(row), row);
  }
  const governed = [...rows.values()].filter((row) => isGoverned(table, row));
  if (governed.length > 0) await fetchInfo(transport, table, governed);
  const settings = { ...inside(namespaceInode, () => readSettings(effects)), tcp_orphan_retries: value };
  const timerHz = readTimerHz(effects.libc());
  let limitMs = 0;
  const refused = targets.map(({ cookie }) => {
    const row = rows.get(cookie);
    if (row === undefined) return GONE;
    if (!isGoverned(table, row)) return otherState(table, row);
    const forecast = forecastSocket(forecastInputOf({ timerHz }, { table, settings, options: NO_OPTIONS }, row));
    const refusal = refusalOf(forecast);
    if (!refusal) limitMs = Math.max(limitMs, Math.min(forecast.latestMs ?? LONGEST_WAIT_MS, LONGEST_WAIT_MS));
    return refusal;
  });
  return { refused, others: otherOrphans(table, wanted), limitMs: limitMs + SLACK_MS };
}

const GONE: Attempt = { outcome: 'already-gone' };

function otherState(table: DiagTable, row: Row): Attempt {
  const because = `it is in ${stateName(table.state(row))} by now, which tcp_orphan_retries does not govern`;
  return { outcome: 'unsupported', because };
}

/** A socket that would outlast the wait gains nothing from a setting that endangers others meanwhile. */
function refusalOf({ kind, earliestMs = 0, because }: Forecast): Attempt | undefined {
  if (kind === 'never') return { outcome: 'unsupported', because: `no timer will look at the setting: ${because}` };
  if (earliestMs <= LONGEST_WAIT_MS) return undefined;
  return {
    outcome: 'unsupported',
    because: `it would outlast the setting: ${because}`,
    todo: 'use --method destroy or reset',
  };
}
