import {
  createMemo,
  type Finding,
  type Forecast,
  forecastInputOf,
  forecastSocket,
  type Need,
  type Row,
  type Rule,
  type RuleContext,
  TcpState,
} from '@lastack/core';
import { fetchInfo, KernelError } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { fetchConntrack } from './conntrack.ts';
import { type Observation, type ObservedNamespace, readCountersAgain } from './observation.ts';
import { findPeers } from './pairs.ts';
import { fetchActivity, fetchOptions, fetchOwners, fetchPaths } from './second_pass.ts';

/** Rows that some rule looks at, by rule and namespace. */
type Candidates = Map<Rule, Map<ObservedNamespace, Row[]>>;

export interface DiagnoseOptions {
  rules: readonly Rule[];
  /** Wait until the two readings of the counters are this far apart. */
  minimumIntervalMs: number;
}

/** Runs the rules over what was observed, fetching just what they ask for; the worst findings come first. */
export async function diagnose(
  effects: Effects,
  observation: Observation,
  { rules, minimumIntervalMs }: DiagnoseOptions,
): Promise<Finding[]> {
  const candidates = selectCandidates(observation.namespaces, rules);
  await fetchNeeds(effects, observation, candidates);
  const elapsedMs = effects.monotonicMs() - observation.startedMs;
  if (elapsedMs < minimumIntervalMs) await effects.sleep(minimumIntervalMs - elapsedMs);
  readCountersAgain(effects, observation, observation.startedMs);
  const context = ruleContext(observation, candidates);
  const findings: Finding[] = [];
  for (const rule of rules) {
    const rowsOf = candidates.get(rule);
    for (const namespace of observation.namespaces) {
      findings.push(...rule.diagnose(namespace, rowsOf?.get(namespace) ?? [], context));
    }
  }
  return findings.sort(worstFirst);
}

/** One pass over all rows: each is shown only to the rules of its state. */
function selectCandidates(namespaces: readonly ObservedNamespace[], rules: readonly Rule[]): Candidates {
  const candidates: Candidates = new Map();
  for (const namespace of namespaces) {
    const lists = rules.map((rule) => ({ rule, rows: [] as Row[] }));
    const byState: { rule: Rule; rows: Row[] }[][] = Array.from({ length: 16 }, (_, state) =>
      lists.filter(({ rule }) => rule.states.includes(state)),
    );
    const { table } = namespace;
    for (let row = 0; row < table.count; row++) {
      for (const { rule, rows } of byState[table.state(row) & 15]) {
        if (rule.candidate(namespace, row)) rows.push(row);
      }
    }
    for (const { rule, rows } of lists) {
      const rowsOf = candidates.get(rule) ?? new Map<ObservedNamespace, Row[]>();
      candidates.set(rule, rowsOf.set(namespace, rows));
    }
  }
  return candidates;
}

/** A set of rows of each namespace, as one byte a row: a hundred thousand of them are normal here. */
class RowSets {
  readonly #marks = new Map<ObservedNamespace, Uint8Array>();

  add(namespace: ObservedNamespace, rows: readonly Row[]): void {
    if (rows.length === 0) return;
    let marks = this.#marks.get(namespace);
    if (!marks) {
      marks = new Uint8Array(namespace.table.count);
      this.#marks.set(namespace, marks);
    }
    for (const row of rows) marks[row] = 1;
  }

  /** In row order. */
  rows(keep: (namespace: ObservedNamespace, row: Row) => boolean = () => true): Map<ObservedNamespace, Row[]> {
    const lists = new Map<ObservedNamespace, Row[]>();
    for (const [namespace, marks] of this.#marks) {
      const list: Row[] = [];
      for (let row = 0; row < marks.length; row++) if (marks[row] === 1 && keep(namespace, row)) list.push(row);
      lists.set(namespace, list);
    }
    return lists;
  }
}

/** The candidate rows of all rules that need one thing. */
function rowsNeeding(need: Need, candidates: Candidates): Map<ObservedNamespace, Row[]> {
  return setsNeeding(need, candidates).rows();
}

function setsNeeding(need: Need, candidates: Candidates): RowSets {
  const sets = new RowSets();
  for (const [rule, rowsOf] of candidates) {
    if (!rule.needs.includes(need)) continue;
    for (const [namespace, rows] of rowsOf) sets.add(namespace, rows);
  }
  return sets;
}

/** Rows whose TCP_INFO is wanted: candidates and the witnesses for or against them. Minisockets carry none. */
function rowsForInfo(candidates: Candidates): Map<ObservedNamespace, Row[]> {
  const wanted = setsNeeding('info', candidates);
  for (const [rule, rowsOf] of candidates) {
    if (!rule.witnesses) continue;
    for (const [namespace, rows] of rowsOf) {
      if (rows.length > 0) wanted.add(namespace, rule.witnesses(namespace, rows));
    }
  }
  return wanted.rows(({ table }, row) => table.kind(row) !== 'minisocket');
}

async function fetchNeeds(effects: Effects, observation: Observation, candidates: Candidates): Promise<void> {
  for (const [namespace, rows] of rowsForInfo(candidates)) {
    if (rows.length === 0) continue;
    try {
      const incomplete = await fetchInfo(namespace.diag, namespace.table, rows);
      if (incomplete) {
        observation.notes.push({ what: `TCP_INFO in ${namespace.label}`, because: incomplete, incomplete: false });
      }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      observation.notes.push({
        what: `TCP_INFO in ${namespace.label} not read`,
        because: error.message,
        incomplete: true,
      });
    }
  }
  const owned = rowsNeeding('owners', candidates);
  fetchOwners(effects, observation, owned);
  fetchActivity(effects, observation, rowsNeeding('activity', candidates));
  fetchOptions(effects, observation, rowsNeeding('options', candidates));
  await fetchPaths(effects, observation, rowsNeeding('path', candidates));
  if (rowsNeeding('conntrack', candidates).size > 0) await fetchConntrack(effects, observation);
}

function ruleContext(observation: Observation, candidates: Candidates): RuleContext {
  const paired = new RowSets();
  for (const rowsOf of candidates.values()) for (const [namespace, rows] of rowsOf) paired.add(namespace, rows);
  // TIME_WAIT sockets are candidates in masses, and their other ends have gone.
  const interesting = paired.rows(({ table }, row) => table.state(row) !== TcpState.TIME_WAIT);
  return {
    snapshot: observation,
    peerOf: findPeers(observation.namespaces, interesting),
    forecast: ({ namespace, row }): Forecast => forecastSocket(forecastInputOf(observation, namespace, row)),
    memo: createMemo(),
  };
}

const SEVERITY_ORDER = { critical: 0, warning: 1, notice: 2 } as const;

function worstFirst(one: Finding, other: Finding): number {
  return SEVERITY_ORDER[one.severity] - SEVERITY_ORDER[other.severity] || other.count - one.count;
}
