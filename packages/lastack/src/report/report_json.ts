import type { Finding, Note, SocketRef } from '@lastack/core';
import type { Capability } from '@lastack/kernel';
import type { Observation } from '../engine/observation.ts';
import { type ForecastJson, forecastJson, type SocketJson, socketJson } from './socket_json.ts';

export interface FindingJson {
  rule: string;
  blame: string;
  severity: string;
  count: number;
  title: string;
  cause: string;
  wouldTell?: string;
  netns: string;
  ageMs?: { from: number; to?: number };
  evidence: { fact: string; value: string | number; source: string }[];
  forecast: ForecastJson;
  remedies: { id: string; what: string; command?: string; cost?: string }[];
  /** At most `MAX_SOCKETS` of the `count` sockets. */
  sockets: (SocketJson & { peer?: SocketJson })[];
}

/** `lastack.report/1`: what the doctor found. `complete` is false when sockets may be missing from it. */
export interface ReportJson {
  schema: 'lastack.report/1';
  host: string;
  kernel: string;
  at: string;
  complete: boolean;
  socketsSeen: number;
  tookMs: number;
  namespaces: { netns: string; sockets: number }[];
  findings: FindingJson[];
  notes: Note[];
  capabilities: Capability[];
}

/** A finding may concern a hundred thousand sockets; a document lists this many of them. */
const MAX_SOCKETS = 1000;

export interface Diagnosis {
  observation: Observation;
  findings: readonly Finding[];
  capabilities: readonly Capability[];
  tookMs: number;
}

export function reportJson({ observation, findings, capabilities, tookMs }: Diagnosis): ReportJson {
  return {
    schema: 'lastack.report/1',
    host: observation.host,
    kernel: observation.kernel,
    at: new Date(observation.atMs).toISOString(),
    complete: isComplete(observation),
    socketsSeen: socketsSeen(observation),
    tookMs,
    namespaces: observation.namespaces.map(({ label, table }) => ({ netns: label, sockets: table.count })),
    findings: findings.map((finding) => findingJson(observation, finding)),
    notes: [...observation.notes],
    capabilities: [...capabilities],
  };
}

export function isComplete({ notes }: Observation): boolean {
  return notes.every(({ incomplete }) => !incomplete);
}

export function socketsSeen({ namespaces }: Observation): number {
  return namespaces.reduce((sum, { table }) => sum + table.count, 0);
}

function findingJson(observation: Observation, finding: Finding): FindingJson {
  return {
    rule: finding.rule,
    blame: finding.blame,
    severity: finding.severity,
    count: finding.count,
    title: finding.title,
    cause: finding.cause,
    wouldTell: finding.wouldTell,
    netns: finding.namespace.label,
    ageMs: finding.age && { from: finding.age.fromMs, to: finding.age.toMs },
    evidence: finding.evidence.map(({ fact, value, source }) => ({ fact, value, source })),
    forecast: forecastJson(finding.forecast),
    remedies: finding.remedies.map(({ id, what, command, cost }) => ({ id, what, command, cost })),
    sockets: finding.sockets.slice(0, MAX_SOCKETS).map((ref, index) => ({
      ...refJson(observation, ref),
      peer: peerJson(observation, finding.peers?.at(index)),
    })),
  };
}

function peerJson(observation: Observation, peer: SocketRef | undefined): SocketJson | undefined {
  return peer && refJson(observation, peer);
}

function refJson(observation: Observation, { namespace, row }: SocketRef): SocketJson {
  const { table } = namespace;
  return socketJson(namespace, table, row, observation.owners.get(table.inode(row)) ?? []);
}
