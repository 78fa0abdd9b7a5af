import { plainAddress } from '../../address.ts';
import type { FirstLook, NamespaceSnapshot, Row, SocketTable } from '../../snapshot.ts';
import { TcpState } from '../../tcp/states.ts';

/** LISTEN rows by local port. */
export type ListenerIndex = ReadonlyMap<number, readonly Row[]>;

/** One pass over the table; call it through `context.memo`. */
export function listenerIndex({ table }: Pick<NamespaceSnapshot, 'table'>): ListenerIndex {
  const index = new Map<number, Row[]>();
  const listening = table.rowsIn(TcpState.LISTEN);
  for (let at = 0; at < listening.length; at++) {
    const row = listening[at];
    const port = table.localPort(row);
    const rows = index.get(port);
    if (rows) rows.push(row);
    else index.set(port, [row]);
  }
  return index;
}

/** How well a listening address fits: the kernel prefers the exact address, then the family's own wildcard, then `::`. */
function fit(listening: string, address: string): number {
  if (plainAddress(listening) === address) return 3;
  const isIpv4 = !address.includes(':');
  if (listening === '0.0.0.0') return isIpv4 ? 2 : 0;
  if (listening === '::') return isIpv4 ? 1 : 2;
  return 0;
}

/**
 * The listeners that connections to this address and port reach, in row order; several when SO_REUSEPORT shares the
 * port among them. A `::` listener counts for IPv4 only when nothing fits better (IPV6_V6ONLY is not visible).
 */
export function listenersAt(table: SocketTable, index: ListenerIndex, address: string, port: number): readonly Row[] {
  const wanted = plainAddress(address);
  let best = 0;
  let found: Row[] = [];
  for (const row of index.get(port) ?? []) {
    const score = fit(table.localAddress(row), wanted);
    if (score === 0 || score < best) continue;
    if (score > best) found = [];
    best = score;
    found.push(row);
  }
  return found;
}

/** The listeners that `row` was (or would be) accepted from. */
export function listenersOf(table: SocketTable, index: ListenerIndex, row: Row): readonly Row[] {
  return listenersAt(table, index, table.localAddress(row), table.localPort(row));
}

/** The kernel's own test (sk_acceptq_is_full): more waiting than the limit, so a backlog of n admits n + 1. */
export function isQueueFull(table: FirstLook, listener: Row): boolean {
  return table.receiveQueue(listener) > table.sendQueue(listener);
}
