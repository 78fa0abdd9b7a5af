import {
  type AgeBounds,
  ageBounds,
  createMemo,
  type Finding,
  type Forecast,
  forecastInputOf,
  forecastSocket,
  type Row,
  RULES,
  type RuleContext,
  type SocketRef,
  type SocketRefs,
} from '@lastack/core';
import { fetchInfo, KernelError } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { withUsefulAdvice } from './advice.ts';
import { diagnose } from './diagnose.ts';
import { noteRead, type Observation, type ObservedNamespace } from './observation.ts';
import { fetchActivity, fetchOptions, fetchOwners, fetchPaths } from './second_pass.ts';
import type { Match, ObservedRef } from './why_matches.ts';

/** A finding that names the connection, and how many sockets it names besides. */
export interface WhyFinding {
  finding: Finding;
  /** What can be done about this very connection. */
  remedies: Finding['remedies'];
}

export interface WhyEnd {
  ref: ObservedRef;
  /** With its working. */
  forecast: Forecast;
  age: AgeBounds | undefined;
}

/** All that is known of one connection. */
export interface Why {
  observation: Observation;
  here: WhyEnd;
  /** The other end, where it is visible. */
  peer: WhyEnd | undefined;
  /** Worst first. */
  findings: readonly WhyFinding[];
}

/** Counters are read twice this far apart, as the doctor does. */
const INTERVAL_MS = 100;

/** Everything about one connection: the rules run over all sockets, then whatever its own two ends can tell. */
export async function explainConnection(effects: Effects, observation: Observation, match: Match): Promise<Why> {
  const ends = match.peer ? [match.here, match.peer] : [match.here];
  const findings = await diagnose(effects, observation, { rules: RULES, minimumIntervalMs: INTERVAL_MS });
  await fetchAll(effects, observation, ends);
  const context = contextOf(observation, match);
  return {
    observation: { ...observation, notes: withUsefulAdvice(effects, observation.notes) },
    here: endOf(observation, match.here),
    peer: match.peer && endOf(observation, match.peer),
    findings: findings
      .filter(({ sockets }) => ends.some((end) => includes(sockets, end)))
      .map((finding) => ({ finding, remedies: ownRemedies(finding, ends, context) })),
  };
}

function endOf(observation: Observation, ref: ObservedRef): WhyEnd {
  const input = forecastInputOf(observation, ref.namespace, ref.row);
  return { ref, forecast: forecastSocket(input, { explain: true }), age: ageBounds(input) };
}

function includes(sockets: SocketRefs, { namespace, row }: ObservedRef): boolean {
  return sockets.some((socket) => socket.row === row && socket.namespace === namespace);
}

async function fetchAll(effects: Effects, observation: Observation, ends: readonly ObservedRef[]): Promise<void> {
  const rowsOf = rowsByNamespace(ends);
  for (const [namespace, rows] of rowsOf) await fetchMissingInfo(effects, observation, namespace, rows);
  fetchOwners(effects, observation, rowsOf);
  fetchActivity(effects, observation, rowsOf);
  // All that is known is shown of this one connection, also what cannot matter now.
  fetchOptions(effects, observation, rowsOf, 'all');
  await fetchPaths(effects, observation, rowsOf);
}

export function rowsByNamespace(refs: readonly ObservedRef[]): Map<ObservedNamespace, Row[]> {
  const rowsOf = new Map<ObservedNamespace, Row[]>();
  for (const { namespace, row } of refs) rowsOf.set(namespace, [...(rowsOf.get(namespace) ?? []), row]);
  return rowsOf;
}

async function fetchMissingInfo(
  effects: Effects,
  observation: Observation,
  namespace: ObservedNamespace,
  rows: Row[],
): Promise<void> {
  const { table, diag, label } = namespace;
  const missing = rows.filter((row) => table.info(row) === undefined && hasInfo(table.kind(row)));
  if (missing.length === 0) return;
  try {
    const incomplete = await fetchInfo(diag, table, missing);
    noteRead(effects, observation, namespace);
    if (incomplete) observation.notes.push({ what: `TCP_INFO in ${label}`, because: incomplete, incomplete: false });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    observation.notes.push({ what: `TCP_INFO in ${label} not read`, because: error.message, incomplete: false });
  }
}

function hasInfo(kind: string): boolean {
  return kind !== 'minisocket' && kind !== 'request';
}

function contextOf(observation: Observation, { here, peer }: Match): RuleContext {
  const isSame = (one: SocketRef, other: SocketRef) => one.row === other.row && one.namespace === other.namespace;
  return {
    snapshot: observation,
    peerOf: (ref) => {
      if (!peer) return undefined;
      if (isSame(ref, here)) return peer;
      return isSame(ref, peer) ? here : undefined;
    },
    forecast: ({ namespace, row }) => forecastSocket(forecastInputOf(observation, namespace, row)),
    memo: createMemo(),
  };
}

/**
 * A finding may stand for a thousand sockets, and its commands for the first of them. Asked about this socket alone the
 * same rule gives the commands for it; where it is silent then, or judges otherwise, those of the group remain.
 */
function ownRemedies(finding: Finding, ends: readonly ObservedRef[], context: RuleContext): Finding['remedies'] {
  if (finding.sockets.length < 2) return finding.remedies;
  const rule = RULES.find(({ id }) => id === finding.rule);
  const end = ends.find((ref) => includes(finding.sockets, ref));
  if (!rule || !end) return finding.remedies;
  const alone = rule.diagnose(end.namespace, [end.row], context).find(({ sockets }) => includes(sockets, end));
  return alone?.blame === finding.blame ? alone.remedies : finding.remedies;
}
