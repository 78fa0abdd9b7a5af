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
  TimerCode,
} from '@lastack/core';
import { fetchInfo, KernelError } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { Candidates } from './candidates.ts';
import { fetchConntrack } from './conntrack.ts';
import { noteRead, type Observation, type ObservedNamespace, readCountersAgain } from './observation.ts';
import { meanwhile } from './owner_search.ts';
import { findPeers } from './pairs.ts';
import { fetchActivity, fetchOptions, fetchOwners, fetchPaths } from './second_pass.ts';

type CandidatesOf = ReadonlyMap<ObservedNamespace, Candidates>;

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
  const candidates: CandidatesOf = new Map(
    observation.namespaces.map((namespace) => [namespace, new Candidates(namespace, rules)]),
  );
  const context = ruleContext(observation, candidates);
  const found = new Map<Rule, Finding[]>();
  const judge = (rule: Rule) => {
    const findings = [...candidates].map(([namespace, ofNamespace]) =>
      rule.diagnose(namespace, ofNamespace.of(rule), context),
    );
    found.set(rule, findings.flat());
  };
  const isEarly = ({ needs }: Rule) => needs.length === 0;
  // What needs nothing more is worked out while the kernel is asked for more.
  const early = [
    context.findPeers,
    () => fetchOwners(effects, observation, rowsNeeding('owners', candidates)),
    () => fetchActivity(effects, observation, rowsNeeding('activity', candidates)),
    ...rules.filter(isEarly).map((rule) => () => judge(rule)),
  ];
  await fetchNeeds(effects, observation, candidates, early);
  const elapsedMs = effects.monotonicMs() - observation.startedMs;
  if (elapsedMs < minimumIntervalMs) await effects.sleep(minimumIntervalMs - elapsedMs);
  readCountersAgain(effects, observation, observation.startedMs);
  for (const rule of rules) if (!isEarly(rule)) judge(rule);
  return rules.flatMap((rule) => found.get(rule) ?? []).sort(worstFirst);
}

/** The rows of each namespace that some rule needs a thing for. */
function rowsNeeding(need: Need | 'peer', candidates: CandidatesOf): Map<ObservedNamespace, Row[]> {
  return new Map([...candidates].map(([namespace, ofNamespace]) => [namespace, ofNamespace.needing(need)]));
}

function isNeeded(need: Need, candidates: CandidatesOf): boolean {
  return [...candidates.values()].some((ofNamespace) => ofNamespace.isNeeded(need));
}

/** @param meanwhileDo is done while the kernel works, one after the other */
async function fetchNeeds(
  effects: Effects,
  observation: Observation,
  candidates: CandidatesOf,
  meanwhileDo: (() => void)[],
): Promise<void> {
  const search = isNeeded('owners', candidates) ? observation.ownerSearch : undefined;
  const step = () => {
    if (search?.advance()) return true;
    const next = meanwhileDo.shift();
    next?.();
    return next !== undefined;
  };
  for (const [namespace, rows] of rowsNeeding('info', candidates)) {
    if (rows.length === 0) continue;
    try {
      const incomplete = await meanwhile(step, fetchInfo(namespace.diag, namespace.table, rows));
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
  for (const each of meanwhileDo.splice(0)) each();
  fetchOptions(effects, observation, rowsNeeding('options', candidates));
  await fetchPaths(effects, observation, rowsNeeding('path', candidates));
  if (isNeeded('conntrack', candidates)) await fetchConntrack(effects, observation);
}

/** The other ends are looked for when `findPeers` is called, or when the first is asked for. */
function ruleContext(observation: Observation, candidates: CandidatesOf): RuleContext & { findPeers(): void } {
  let peerOf: RuleContext['peerOf'] | undefined;
  const peers = () => {
    peerOf ??= findPeers(observation.namespaces, rowsNeeding('peer', candidates));
    return peerOf;
  };
  return {
    snapshot: observation,
    findPeers: () => void peers(),
    peerOf: (ref) => peers()(ref),
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
