import {
  type CloseStep,
  type CloseView,
  closeTimeline,
  type Evidence,
  type PathEvidence,
  type SocketOptions,
} from '@lastack/core';
import { type FindingJson, isComplete, reportJson } from '../report/report_json.ts';
import { type SocketJson, socketJson } from '../report/socket_json.ts';
import type { Observation } from './observation.ts';
import type { Why, WhyEnd } from './why.ts';
import { infoFacts } from './why_facts.ts';
import type { Match, ObservedRef } from './why_matches.ts';

/** One end of a connection in `lastack.why/1`. Times are milliseconds from the document's `at`. */
export interface WhyEndJson extends SocketJson {
  ageMs?: { from: number; to?: number };
  /** The working behind the forecast, one step a line. */
  working: readonly string[];
  evidence: readonly Evidence[];
  options?: SocketOptions;
  path?: PathEvidence;
  holders: { pid: number; threads: unknown[]; watchedByEpoll: boolean; unreadable?: string }[];
}

interface WhyHead {
  schema: 'lastack.why/1';
  host: string;
  kernel: string;
  at: string;
  complete: boolean;
  /** How many connections match the target; details follow only when it is one. */
  matched: number;
  notes: Observation['notes'];
}

/** `lastack.why/1`. `socket` is the end that the target names first, `peer` the other where it is visible. */
export interface WhyJson extends WhyHead {
  socket: WhyEndJson;
  peer?: WhyEndJson;
  timeline: CloseStep[];
  /** As in `lastack.report/1`, the remedies being those for this connection. */
  findings: FindingJson[];
}

export interface MatchesJson extends WhyHead {
  sockets: (SocketJson & { peer?: SocketJson })[];
}

function head(observation: Observation, matched: number): WhyHead {
  const { host, kernel, atMs, notes } = observation;
  return {
    schema: 'lastack.why/1',
    host,
    kernel,
    at: new Date(atMs).toISOString(),
    complete: isComplete(observation),
    matched,
    notes: [...notes],
  };
}

export function whyJson(why: Why, view: CloseView): WhyJson {
  const { observation, here, peer, findings } = why;
  const own = findings.map(({ finding, remedies }) => ({ ...finding, remedies }));
  return {
    ...head(observation, 1),
    socket: endJson(observation, here),
    peer: peer && endJson(observation, peer),
    timeline: closeTimeline(view),
    findings: reportJson({ observation, findings: own, capabilities: [], tookMs: 0 }).findings,
  };
}

/** A document for a target that names no connection, or several. */
export function matchesJson(observation: Observation, matches: readonly Match[]): MatchesJson {
  return {
    ...head(observation, matches.length),
    sockets: matches.map(({ here, peer }) => ({
      ...refJson(observation, here),
      peer: peer && refJson(observation, peer),
    })),
  };
}

function refJson(observation: Observation, { namespace, row }: ObservedRef, forecast?: WhyEnd['forecast']): SocketJson {
  const owners = observation.owners.get(namespace.table.inode(row)) ?? [];
  return socketJson(namespace, namespace.table, row, owners, forecast);
}

function endJson(observation: Observation, { ref, forecast, age }: WhyEnd): WhyEndJson {
  const { table, options, paths } = ref.namespace;
  const socket = refJson(observation, ref, forecast);
  return {
    ...socket,
    ageMs: age && { from: age.fromMs, to: age.toMs },
    working: forecast.steps ?? [],
    evidence: infoFacts(table, ref.row),
    options: options.get(table.cookie(ref.row)),
    path: paths.get(table.remoteAddress(ref.row)),
    holders: socket.owners.flatMap(({ pid, fd }) => {
      const activity = observation.activity.get(pid);
      if (!activity) return [];
      const { threads, epollFds, unreadable } = activity;
      return [{ pid, threads: [...threads], watchedByEpoll: epollFds.has(fd), unreadable }];
    }),
  };
}
