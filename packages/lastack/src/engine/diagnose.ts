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
  TimerCode,
} from '@lastack/core';
import { fetchInfo, KernelError } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { fetchConntrack } from './conntrack.ts';
import { noteRead, type Observation, type ObservedNamespace, readCountersAgain } from './observation.ts';
import { searchMeanwhile } from './owner_search.ts';
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

/** Each row is shown only to the rules of its state. */
function selectCandidates(namespaces: readonly ObservedNamespace[], rules: readonly Rule[]): Candidates {
  const candidates: Candidates = new Map();
  for (const namespace of namespaces) {
    const { table } = namespace;
    for (const rule of rules) {
      const rows: Row[] = [];
      for (const state of [...rule.states].sort((one, other) => one - other)) {
        const inState = table.rowsIn(state);
        // By index: V8 runs `of` over typed arrays slowly until it has compiled the loop.
        for (let index = 0; index < inState.length; index++) {
          if (rule.candidate(namespace, inState[index])) rows.push(inState[index]);
        }
      }
      const rowsOf = candidates.get(rule) ?? new Map<ObservedNamespace, Row[]>();
      candidates.set(rule, rowsOf.set(namespace, rows));
    }
  }
  return candidates;
}

/** A set of rows of each namespace: a hundred thousand of them are normal here. */
class RowSets {
  readonly #sets = new Map<ObservedNamespace, { marks: Uint8Array; rows: Row[] }>();

  add(namespace: ObservedNamespace, rows: readonly Row[]): void {
    if (rows.length === 0) return;
    let set = this.#sets.get(namespace);
    if (!set) {
      set = { marks: new Uint8Array(namespace.table.count), rows: [] };
      this.#sets.set(namespace, set);
    }
    for (const row of rows) {
      if (set.marks[row] === 1) continue;
      set.marks[row] = 1;
      set.rows.push(row);
    }
  }

  /** In the order added. */
  rows(keep?: (namespace: ObservedNamespace, row: Row) => boolean): Map<ObservedNamespace, Row[]> {
    const lists = new Map<ObservedNamespace, Row[]>();
    for (const [namespace, { rows }] of this.#sets) {
      lists.set(namespace, keep ? rows.filter((row) => keep(namespace, row)) : rows);
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
  const owned = rowsNeeding('owners', candidates);
  const search = owned.size > 0 ? observation.ownerSearch : undefined;
  for (const [namespace, rows] of rowsForInfo(candidates)) {
    if (rows.length === 0) continue;
    try {
      const incomplete = await searchMeanwhile(search, fetchInfo(namespace.diag, namespace.table, rows));
      noteRead(effects, observation, namespace);
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
  fetchOwners(effects, observation, owned);
  fetchActivity(effects, observation, rowsNeeding('activity', candidates));
  fetchOptions(effects, observation, rowsNeeding('options', candidates));
  await fetchPaths(effects, observation, rowsNeeding('path', candidates));
  if (rowsNeeding('conntrack', candidates).size > 0) await fetchConntrack(effects, observation);
}

function ruleContext(observation: Observation, candidates: Candidates): RuleContext {
  const paired = new RowSets();
  for (const [rule, rowsOf] of candidates) {
    // The other ends of TIME_WAIT sockets have gone.
    if (rule.states.includes(TcpState.TIME_WAIT)) continue;
    for (const [namespace, rows] of rowsOf) paired.add(namespace, rows);
  }
  const interesting = paired.rows();
  return {
    snapshot: observation,
    peerOf: findPeers(observation.namespaces, interesting),
    forecast: forecaster(observation),
    memo: createMemo(),
  };
}

/** Without a timer the forecast follows from state and kind alone, and is made once for ten thousand sockets. */
function forecaster(observation: Observation): RuleContext['forecast'] {
  const untimed = new Map<string, Forecast>();
  return ({ namespace, row }) => {
    const { table } = namespace;
    const make = () => forecastSocket(forecastInputOf(observation, namespace, row));
    if (table.timer(row) !== TimerCode.NONE) return make();
    const key = `${table.state(row)} ${table.kind(row)}`;
    let forecast = untimed.get(key);
    if (!forecast) {
      forecast = make();
      untimed.set(key, forecast);
    }
    return forecast;
  };
}

const SEVERITY_ORDER = { critical: 0, warning: 1, notice: 2 } as const;

function worstFirst(one: Finding, other: Finding): number {
  return SEVERITY_ORDER[one.severity] - SEVERITY_ORDER[other.severity] || other.count - one.count;
}
