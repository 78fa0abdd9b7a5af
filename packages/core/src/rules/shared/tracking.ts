import { plainAddress } from '../../address.ts';
import { type ConntrackEntry, conntrackKey } from '../../conntrack.ts';
import type { RuleContext, SocketRef } from '../../finding.ts';
import { masked } from '../../printable.ts';
import type { NamespaceSnapshot, Row, Settings } from '../../snapshot.ts';
import { TcpState } from '../../tcp/states.ts';
import { isBlackhole, unansweredMs } from './stalls.ts';
import { thousands } from './words.ts';

/** A visible namespace whose connection tracking the packets of a socket pass, as far as its entries show. */
export interface Tracker {
  namespace: NamespaceSnapshot;
  /** Of this connection. */
  entry: ConntrackEntry | undefined;
  /** Entries of other connections that show it: between the same hosts, or (in the socket's own namespace) of this host. */
  others: number;
}

/** How many entries there are by address, by pair of addresses, and by pair with the port of either end. */
function countEntries({ conntrack }: NamespaceSnapshot): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of conntrack?.keys() ?? []) {
    const [local, localPort, remote, remotePort] = key.split(' ');
    const pair = `${local} ${remote}`;
    for (const name of [local, pair, `${pair} from ${localPort}`, `${pair} to ${remotePort}`]) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

export function keyOf({ namespace: { table }, row }: SocketRef): string {
  return conntrackKey(
    { address: table.localAddress(row), port: table.localPort(row) },
    { address: table.remoteAddress(row), port: table.remotePort(row) },
  );
}

/** The trackers on the way of one socket; the one of its own namespace first. */
export function trackersOf(ref: SocketRef, context: RuleContext): Tracker[] {
  const { table } = ref.namespace;
  const local = plainAddress(table.localAddress(ref.row));
  const remote = plainAddress(table.remoteAddress(ref.row));
  const key = keyOf(ref);
  const trackers: Tracker[] = [];
  for (const namespace of context.snapshot.namespaces) {
    if (!namespace.conntrack || namespace.conntrack.size === 0) continue;
    const entry = namespace.conntrack.get(key);
    // An entry is known under two names, one for each end: only one of them begins with the local address.
    const counts = context.memo(namespace, countEntries);
    const isOwn = namespace === ref.namespace;
    const others = (counts.get(isOwn ? local : `${local} ${remote}`) ?? 0) - (entry ? 1 : 0);
    if (!entry && others <= 0) continue;
    if (isOwn) trackers.unshift({ namespace, entry, others });
    else trackers.push({ namespace, entry, others });
  }
  return trackers;
}

/** Whether the tracker has entries of other connections between the same hosts and of the same service. */
export function isServiceTracked(
  { namespace: { table }, row }: SocketRef,
  tracker: Tracker,
  context: RuleContext,
): boolean {
  const counts = context.memo(tracker.namespace, countEntries);
  const pair = `${plainAddress(table.localAddress(row))} ${plainAddress(table.remoteAddress(row))}`;
  return counts.has(`${pair} from ${table.localPort(row)}`) || counts.has(`${pair} to ${table.remotePort(row)}`);
}

/** nf_conntrack_tcp_timeout_NAME of the tracker's namespace; the kernel's default where it could not be read. */
export function conntrackTimeoutMs(settings: Settings, name: string): number {
  return 1000 * (settings[`nf_conntrack_tcp_timeout_${name}`] ?? DEFAULT_SECONDS[name] ?? 0);
}

const DEFAULT_SECONDS: Readonly<Record<string, number>> = {
  established: 432_000,
  fin_wait: 120,
  close_wait: 60,
  last_ack: 30,
  max_retrans: 300,
  unacknowledged: 300,
};

/** What each packet of a socket in this state would at least give its entry to live. */
function refreshMs(settings: Settings, state: number): number {
  const names = OPEN_TIMEOUTS[state] ?? ['fin_wait', 'close_wait', 'last_ack'];
  return Math.min(...names.map((name) => conntrackTimeoutMs(settings, name)));
}

const OPEN_TIMEOUTS: Readonly<Record<number, readonly string[]>> = {
  [TcpState.ESTABLISHED]: ['established', 'max_retrans', 'unacknowledged'],
  [TcpState.CLOSE_WAIT]: ['close_wait', 'max_retrans', 'unacknowledged'],
};

/**
 * The tracker that has no entry for a socket which gets no answer, although each of its retransmissions would have kept
 * an entry alive: so it was gone before they began, and did not merely run out between two of them. Undefined where the
 * intervals have grown too long to tell, and where other connections of the service do well without an entry.
 */
export function forgetfulTracker(ref: SocketRef, context: RuleContext): Tracker | undefined {
  const { namespace, row } = ref;
  if (!isAnythingTracked(context)) return undefined;
  const info = namespace.table.info(row);
  if (!info || !isBlackhole(namespace, row)) return undefined;
  // The timer was set to the present RTO after the last retransmission, which came half an RTO after the one before.
  const sinceLastMs = info.rtoMs - namespace.table.timerExpiresMs(row);
  const longestGapMs = Math.max(sinceLastMs, info.rtoMs / 2);
  const stalledMs = unansweredMs(namespace, row, info);
  return trackersOf(ref, context).find(
    (tracker) =>
      tracker.entry === undefined &&
      longestGapMs < refreshMs(tracker.namespace.settings, namespace.table.state(row)) &&
      !isServiceUntracked(ref, tracker.namespace, stalledMs, context),
  );
}

/** Open connections that tell when they last heard from their peer, by remote address. */
function heardFrom({ table }: NamespaceSnapshot): ReadonlyMap<string, readonly Heard[]> {
  const found = new Map<string, Heard[]>();
  for (let row: Row = 0; row < table.count; row++) {
    if (table.state(row) !== TcpState.ESTABLISHED) continue;
    const info = table.info(row);
    if (!info) continue;
    const address = plainAddress(table.remoteAddress(row));
    const ofAddress = found.get(address) ?? [];
    ofAddress.push({ row, heardMs: info.lastAckReceivedMs });
    found.set(address, ofAddress);
  }
  return found;
}

interface Heard {
  row: Row;
  heardMs: number;
}

/**
 * Another connection of the same service has no entry either, and heard from the peer within this time: the packets of
 * the service are not tracked there at all (a notrack rule, or another way).
 */
function isServiceUntracked(
  { namespace, row }: SocketRef,
  tracker: NamespaceSnapshot,
  withinMs: number,
  context: RuleContext,
): boolean {
  const { table } = namespace;
  const alike = context.memo(namespace, heardFrom).get(plainAddress(table.remoteAddress(row))) ?? [];
  return alike.some(({ row: other, heardMs }) => {
    if (other === row || heardMs >= withinMs) return false;
    const isSameService =
      table.remotePort(other) === table.remotePort(row) || table.localPort(other) === table.localPort(row);
    return isSameService && !tracker.conntrack?.has(keyOf({ namespace, row: other }));
  });
}

/** Whether any visible namespace tracks connections: without that nothing here needs a look. */
export function isAnythingTracked({ snapshot }: RuleContext): boolean {
  return snapshot.namespaces.some(({ conntrack }) => conntrack !== undefined && conntrack.size > 0);
}

/** `network namespace lab-router`, or `this host itself` where the socket lives in the same namespace. */
export function trackerName(tracker: NamespaceSnapshot, own: NamespaceSnapshot): string {
  return tracker === own ? 'this host itself' : `network namespace ${masked(tracker.label)}`;
}

export function othersText({ others, namespace }: Tracker, own: NamespaceSnapshot): string {
  const which = namespace === own ? 'of this address' : 'between the same two hosts';
  return `${thousands(others)} ${which}`;
}
