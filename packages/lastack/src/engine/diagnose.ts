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

/** The union, per namespace, of the candidate rows of all rules that need one thing. */
function rowsNeeding(need: Need, candidates: Candidates): Map<ObservedNamespace, Row[]> {
  const union = new Map<ObservedNamespace, Set<Row>>();
  for (const [rule, rowsOf] of candidates) {
    if (!rule.needs.includes(need)) continue;
    for (const [namespace, rows] of rowsOf) {
      const set = union.get(namespace) ?? new Set<Row>();
      for (const row of rows) set.add(row);
      union.set(namespace, set);
    }
  }
  return new Map([...union].map(([namespace, rows]) => [namespace, [...rows]]));
}

/** Rows whose TCP_INFO is wanted: candidates and the witnesses for or against them. Minisockets carry none. */
function rowsForInfo(candidates: Candidates): Map<ObservedNamespace, Row[]> {
  const wanted = rowsNeeding('info', candidates);
  for (const [rule, rowsOf] of candidates) {
    if (!rule.witnesses) continue;
    for (const [namespace, rows] of rowsOf) {
      if (rows.length === 0) continue;
      const known = new Set(wanted.get(namespace));
      const more = rule.witnesses(namespace, rows).filter((row) => !known.has(row));
      if (more.length > 0) wanted.set(namespace, [...known, ...more]);
    }
  }
  for (const [namespace, rows] of wanted) {
    const carrying = rows.filter((row) => namespace.table.kind(row) !== 'minisocket');
    wanted.set(namespace, carrying);
  }
  return wanted;
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
}

function ruleContext(observation: Observation, candidates: Candidates): RuleContext {
  const interesting = new Map<ObservedNamespace, Row[]>();
  for (const rowsOf of candidates.values()) {
    for (const [namespace, rows] of rowsOf) {
      // TIME_WAIT sockets are candidates in masses, and their other ends have gone.
      const paired = rows.filter((row) => namespace.table.state(row) !== TcpState.TIME_WAIT);
      interesting.set(namespace, (interesting.get(namespace) ?? []).concat(paired));
    }
  }
  for (const [namespace, rows] of interesting) interesting.set(namespace, [...new Set(rows)]);
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
