import { TIME_WAIT_MS } from '../forecast/timewait.ts';
import { listenerIndex } from '../rules/shared/listeners.ts';
import { ephemeralRange } from '../rules/shared/service.ts';
import { isReusable } from '../rules/shared/time_wait_reuse.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { type Exhaustion, exhaustionOf } from './exhaustion.ts';

/** What is read of one network namespace, twice. */
export type PressureRead = Pick<NamespaceSnapshot, 'table' | 'settings'>;

/** Connections that compete for the same local ports: one local address, one remote address and port. */
export interface Destination {
  localAddress: string;
  remoteAddress: string;
  remotePort: number;
  /** Local ports of the range that are taken towards it, and how many of these by TIME_WAIT. */
  used: number;
  timeWait: number;
  /** Ports taken and ports given back per second between the two reads. */
  takenPerSecond: number;
  freedPerSecond: number;
  /** connect() may take over its TIME_WAIT sockets (tcp_tw_reuse). */
  reusable: boolean;
  exhaustion: Exhaustion;
}

export interface Pressure {
  from: number;
  to: number;
  /** Ports to choose from: the range without those reserved. */
  ports: number;
  /** Connections with a local port of the range, towards all destinations. */
  used: number;
  /** Most used first, at most `MAX_DESTINATIONS`. */
  destinations: Destination[];
}

export interface PortSpan {
  from: number;
  to: number;
}

const MAX_DESTINATIONS = 50;
/** Destinations are told apart for this many at the most: with more sockets, those of few ports are left out. */
const MAX_GROUPS = 20_000;
/** Have a local port for themselves but no other end, or no port of their own yet. */
const WITHOUT_DESTINATION: ReadonlySet<number> = new Set([
  TcpState.LISTEN,
  TcpState.BOUND_INACTIVE,
  TcpState.SYN_RECV,
  TcpState.NEW_SYN_RECV,
]);

/** Ports of the range that are not reserved. */
export function portsToChooseFrom(from: number, to: number, reserved: readonly PortSpan[]): number {
  let ports = to - from + 1;
  for (const span of reserved) {
    ports -= Math.max(0, Math.min(to, span.to) - Math.max(from, span.from) + 1);
  }
  return Math.max(0, ports);
}

/**
 * How scarce local ports are, by destination, from two reads of the same namespace. Columns all the way: there may be
 * 350,000 sockets, and objects are made for what is shown.
 */
export function portPressure(
  first: PressureRead,
  second: PressureRead,
  elapsedMs: number,
  reserved: readonly PortSpan[],
): Pressure {
  const { low: from, high: to } = ephemeralRange(second.settings);
  const ports = portsToChooseFrom(from, to, reserved);
  const rows = outgoingRows(second, from, to);
  const least = Math.max(1, Math.ceil(rows.length / MAX_GROUPS));
  const groups = second.table.byDestination(rows, least).map((group) => Array.from(group));
  groups.sort((one, other) => other.length - one.length);
  const shown = groups.slice(0, MAX_DESTINATIONS);
  const before = rowsByDestination(first, outgoingRows(first, from, to), shown.at(-1)?.length ?? 1, least);
  const destinations = shown.map((group) =>
    destinationOf(first, second, before.get(keyOf(second, group[0])) ?? [], group, elapsedMs, ports),
  );
  return { from, to, ports, used: rows.length, destinations };
}

function outgoingRows({ table }: PressureRead, from: number, to: number): Row[] {
  const listeners = listenerIndex({ table });
  const rows: Row[] = [];
  for (let row = 0; row < table.count; row++) {
    const port = table.localPort(row);
    if (port < from || port > to || WITHOUT_DESTINATION.has(table.state(row)) || listeners.has(port)) continue;
    rows.push(row);
  }
  return rows;
}

/** Half of what is shown now: what was smaller still has grown, and counts as new throughout. */
function rowsByDestination(
  read: PressureRead,
  rows: readonly Row[],
  fewest: number,
  least: number,
): Map<string, readonly Row[]> {
  const groups = read.table.byDestination(rows, Math.max(1, Math.min(least, Math.floor(fewest / 2))));
  return new Map(groups.map((group) => [keyOf(read, group[0]), Array.from(group)]));
}

function keyOf({ table }: PressureRead, row: Row): string {
  return `${table.localAddress(row)} ${table.remoteAddress(row)} ${table.remotePort(row)}`;
}

function destinationOf(
  first: PressureRead,
  second: PressureRead,
  before: readonly Row[],
  rows: readonly Row[],
  elapsedMs: number,
  ports: number,
): Destination {
  const { table } = second;
  const [row] = rows;
  const known = new Set(before.map((each) => first.table.cookie(each)));
  let kept = 0;
  const expiriesMs: number[] = [];
  for (const each of rows) {
    if (known.has(table.cookie(each))) kept++;
    if (table.state(each) === TcpState.TIME_WAIT) expiriesMs.push(table.timerExpiresMs(each));
  }
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const openBefore = before.filter((each) => first.table.state(each) !== TcpState.TIME_WAIT).length;
  const open = rows.length - expiriesMs.length;
  const taken = rows.length - kept;
  const reusable = isReusable(second, row);
  return {
    localAddress: table.localAddress(row),
    remoteAddress: table.remoteAddress(row),
    remotePort: table.remotePort(row),
    used: rows.length,
    timeWait: expiriesMs.length,
    takenPerSecond: taken / seconds,
    freedPerSecond: (before.length - kept) / seconds,
    reusable,
    exhaustion: exhaustionOf({
      ports,
      open,
      openGrowth: open - openBefore,
      taken,
      elapsedMs: Math.max(elapsedMs, 1),
      expiriesMs,
      reusable,
      timeWaitMs: TIME_WAIT_MS,
    }),
  };
}
