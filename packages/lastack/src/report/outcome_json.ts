import { type ClearTarget, type Outcome, type PlannedStep, stateName } from '@lastack/core';
import type { ClearResult } from '../engine/clear.ts';

export interface OutcomeSocketJson {
  netns: string;
  family: 'inet' | 'inet6';
  state: string;
  kind: string;
  local: { address: string; port: number };
  remote: { address: string; port: number };
  /** Hexadecimal, as `ss -e` prints it behind `sk:`. */
  cookie: string;
  owners: { pid: number; command: string; fd: number }[];
  rule?: string;
}

export interface OutcomeResultJson {
  socket: OutcomeSocketJson;
  /** null where no means could be used. */
  method: string | null;
  outcome: Outcome | 'guarded' | 'not-tried';
  /** Bytes thrown away, 0 unless the means was applied (or is planned). */
  lostBytes: number;
  peerSees?: string;
  programSees?: string;
  remains?: string;
  because?: string;
  todo?: string;
}

/** `lastack.outcome/1`: what `clear` did, or with --dry-run would do. */
export interface OutcomeJson {
  schema: 'lastack.outcome/1';
  host: string;
  at: string;
  dryRun: boolean;
  interrupted: boolean;
  counts: Record<string, number>;
  results: OutcomeResultJson[];
  notes: { what: string; because: string; todo?: string }[];
}

/** A target that a guard protects. */
export interface Guarded {
  target: ClearTarget;
  because: string;
}

export function plannedJson({ target, means, preview, refusal }: PlannedStep): OutcomeResultJson {
  return {
    socket: outcomeSocket(target),
    method: means ?? null,
    outcome: means ? 'planned' : (refusal?.outcome ?? 'unsupported'),
    lostBytes: preview?.lostBytes ?? 0,
    peerSees: preview?.peerSees,
    programSees: preview?.programSees,
    remains: preview?.remains,
    because: refusal?.because,
    todo: refusal?.todo,
  };
}

export function resultJson({
  target,
  means,
  outcome,
  lostBytes,
  because,
  todo,
  remains,
}: ClearResult): OutcomeResultJson {
  return { socket: outcomeSocket(target), method: means ?? null, outcome, lostBytes, remains, because, todo };
}

export function guardedJson({ target, because }: Guarded): OutcomeResultJson {
  return { socket: outcomeSocket(target), method: null, outcome: 'guarded', lostBytes: 0, because };
}

export function notTriedJson({ target, means }: PlannedStep): OutcomeResultJson {
  const because = 'interrupted before its turn';
  return { socket: outcomeSocket(target), method: means ?? null, outcome: 'not-tried', lostBytes: 0, because };
}

export function countOutcomes(results: Iterable<{ outcome: string }>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

export function outcomeSocket(target: ClearTarget): OutcomeSocketJson {
  return {
    netns: target.namespaceLabel,
    family: target.family === 4 ? 'inet' : 'inet6',
    state: stateName(target.state),
    kind: target.kind,
    local: target.local,
    remote: target.remote,
    cookie: target.cookie.toString(16),
    owners: target.owners.map(({ pid, command, fd }) => ({ pid, command, fd })),
    rule: target.rule,
  };
}
