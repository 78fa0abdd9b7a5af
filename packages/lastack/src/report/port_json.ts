import {
  type BindSet,
  type Destination,
  type Exhaustion,
  type Owner,
  type PortHolder,
  type Pressure,
  type RemedyAdvice,
  stateName,
} from '@lastack/core';
import type { PortAnswer } from '../engine/port/port_answer.ts';
import type { PressureReport } from '../engine/port/pressure.ts';
import { isComplete } from './report_json.ts';
import { type ForecastJson, forecastJson } from './socket_json.ts';

/** Sockets that are alike and have the port, in `lastack.port/1`. */
export interface PortHolderJson {
  netns: string;
  /** Whether it is in the network namespace that asked: only such refuse a bind. */
  here: boolean;
  state: string;
  kind: string;
  family: 'inet' | 'inet6';
  local: { address: string; port: number };
  count: number;
  uid: number;
  /** One entry per process. */
  owners: Owner[];
  /** First to last of the group. */
  forecast: ForecastJson;
  /** Milliseconds until the last is gone at the latest; absent where the forecast has no time. */
  lastGoneInMs?: number;
  reuseaddr?: boolean;
  reuseport?: boolean;
  v6only?: boolean;
  interfaceIndex?: number;
  /** Some of the sockets. */
  examples: { cookie: string; inode: number; remote: { address: string; port: number } }[];
}

export interface PortBindJson {
  address: string;
  /** IPV6_V6ONLY, of the trials at `::`. */
  v6only?: boolean;
  results: Record<BindSet, string>;
  because: Record<BindSet, string>;
}

export interface PortJson {
  schema: 'lastack.port/1';
  host: string;
  kernel: string;
  at: string;
  complete: boolean;
  notes: PortAnswer['observation']['notes'];
  port: number;
  holders: PortHolderJson[];
  /** `ok` or the name of an errno: at the address asked about, or at 0.0.0.0 and dual-stack `::` together. */
  bind: Record<BindSet, string> & { otherAddress?: string };
  binds: PortBindJson[];
  until?: ForecastJson;
  freeInMs?: number;
  ephemeral: { inRange: boolean; from: number; to: number; reserved?: boolean };
  privileged: { needsCapability: boolean; below: number };
  remedies: RemedyAdvice[];
}

const EXAMPLES = 3;

export function portJson(answer: PortAnswer): PortJson {
  const { observation, question, holders, tried, bind, other, until, facts, remedies } = answer;
  return {
    schema: 'lastack.port/1',
    host: observation.host,
    kernel: observation.kernel,
    at: new Date(observation.atMs).toISOString(),
    complete: isComplete(observation),
    notes: [...observation.notes],
    port: question.port,
    holders: holders.map(holderJson),
    bind: { ...bind, otherAddress: other?.result },
    binds: tried.map(({ at, results, because }) => ({
      address: at.address,
      v6only: at.address === '::' ? at.v6only : undefined,
      results,
      because,
    })),
    until: until && forecastJson(until),
    freeInMs: freeInMs(until),
    ephemeral: {
      inRange: facts.isEphemeral,
      from: facts.ephemeralFrom,
      to: facts.ephemeralTo,
      reserved: facts.isReserved,
    },
    privileged: { needsCapability: facts.isPrivileged, below: facts.unprivilegedFrom },
    remedies: [...remedies],
  };
}

/** Only where the forecast carries a time: the latest. */
export function freeInMs(until: PortAnswer['until']): number | undefined {
  return until?.kind === 'at' && until.latestMs !== undefined ? Math.ceil(until.latestMs) : undefined;
}

function holderJson(holder: PortHolder): PortHolderJson {
  const { namespace, rows, family, last } = holder;
  const { table } = namespace;
  return {
    netns: namespace.label,
    here: holder.isHere,
    state: stateName(holder.state),
    kind: holder.kind,
    family: family === 4 ? 'inet' : 'inet6',
    local: { address: holder.localAddress, port: table.localPort(rows[0]) },
    count: rows.length,
    uid: holder.uid,
    owners: [...holder.holder.owners],
    forecast: forecastJson(holder.forecast),
    lastGoneInMs: freeInMs(last),
    reuseaddr: holder.reuseaddr,
    reuseport: holder.reuseport,
    v6only: holder.v6only,
    interfaceIndex: holder.interfaceIndex || undefined,
    examples: rows.slice(0, EXAMPLES).map((row) => ({
      cookie: table.cookie(row).toString(16),
      inode: table.inode(row),
      remote: { address: table.remoteAddress(row), port: table.remotePort(row) },
    })),
  };
}

/** `lastack.pressure/1` */
export interface PressureJson {
  schema: 'lastack.pressure/1';
  host: string;
  kernel: string;
  at: string;
  complete: boolean;
  notes: PressureReport['notes'];
  intervalMs: number;
  namespaces: {
    netns: string;
    range: { from: number; to: number };
    reserved?: { from: number; to: number }[];
    ports: number;
    used: number;
    destinations: DestinationJson[];
  }[];
}

interface DestinationJson {
  local: { address: string };
  remote: { address: string; port: number };
  used: number;
  timeWait: number;
  share: number;
  takenPerSecond: number;
  freedPerSecond: number;
  reusable: boolean;
  exhaustion: { kind: Exhaustion['kind']; inMs?: number; because: string };
}

export function pressureJson(report: PressureReport): PressureJson {
  return {
    schema: 'lastack.pressure/1',
    host: report.host,
    kernel: report.kernel,
    at: new Date(report.atMs).toISOString(),
    complete: report.notes.every(({ incomplete }) => !incomplete),
    notes: [...report.notes],
    intervalMs: report.elapsedMs,
    namespaces: report.namespaces.map(({ label, reserved, pressure }) => ({
      netns: label,
      range: { from: pressure.from, to: pressure.to },
      reserved: reserved && [...reserved],
      ports: pressure.ports,
      used: pressure.used,
      destinations: pressure.destinations.map((each) => destinationJson(each, pressure)),
    })),
  };
}

function destinationJson(destination: Destination, { ports }: Pressure): DestinationJson {
  const { localAddress, remoteAddress, remotePort, used, timeWait, takenPerSecond, freedPerSecond } = destination;
  return {
    local: { address: localAddress },
    remote: { address: remoteAddress, port: remotePort },
    used,
    timeWait,
    share: ports === 0 ? 1 : used / ports,
    takenPerSecond,
    freedPerSecond,
    reusable: destination.reusable,
    exhaustion: destination.exhaustion,
  };
}
