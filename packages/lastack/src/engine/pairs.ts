import { type RuleContext, type SocketRef, TcpState } from '@lastack/core';
import type { ObservedNamespace } from './observation.ts';

const HASH_SLOTS = 1 << 16;

/** States in which a socket has no other end. */
const SINGLE_STATES: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

/** State pairs that one connection cannot show, whatever was lost on the way: then the addresses merely coincide. */
function fits(one: number, other: number): boolean {
  const pair = new Set([one, other]);
  // CLOSE_WAIT has received the peer's FIN, so the peer has sent one.
  if (pair.has(TcpState.CLOSE_WAIT) && (pair.has(TcpState.ESTABLISHED) || pair.has(TcpState.SYN_SENT))) return false;
  if (one === TcpState.CLOSE_WAIT && other === TcpState.CLOSE_WAIT) return false;
  // FIN_WAIT2's FIN was acknowledged, so the peer has received it.
  return !(pair.has(TcpState.FIN_WAIT2) && (pair.has(TcpState.ESTABLISHED) || pair.has(TcpState.SYN_SENT)));
}

/**
 * Finds the other ends of the given sockets among all sockets of all namespaces, in one pass over them. Where several
 * sockets have the mirrored addresses (the same private network used twice) none is returned: it cannot be told which.
 */
export function findPeers(
  namespaces: readonly ObservedNamespace[],
  rowsOf: ReadonlyMap<ObservedNamespace, readonly number[]>,
): RuleContext['peerOf'] {
  const buckets: ({ namespace: ObservedNamespace; row: number }[] | undefined)[] = new Array(HASH_SLOTS);
  for (const [namespace, rows] of rowsOf) {
    for (const row of rows) {
      if (SINGLE_STATES.has(namespace.table.state(row))) continue;
      const slot = namespace.table.endpointHash(row, true) % HASH_SLOTS;
      buckets[slot] ??= [];
      buckets[slot].push({ namespace, row });
    }
  }
  const found = new Map<ObservedNamespace, Map<number, SocketRef | 'several'>>();
  for (const namespace of namespaces) {
    const { table } = namespace;
    for (let row = 0; row < table.count; row++) {
      const bucket = buckets[table.endpointHash(row, false) % HASH_SLOTS];
      if (bucket !== undefined) matchBucket(bucket, namespace, row, found);
    }
  }
  return (ref) => {
    const peer = found.get(ref.namespace as ObservedNamespace)?.get(ref.row);
    return peer === 'several' ? undefined : peer;
  };
}

function matchBucket(
  bucket: readonly { namespace: ObservedNamespace; row: number }[],
  namespace: ObservedNamespace,
  row: number,
  found: Map<ObservedNamespace, Map<number, SocketRef | 'several'>>,
): void {
  const { table } = namespace;
  for (const wanted of bucket) {
    const isItself = wanted.namespace === namespace && wanted.row === row;
    if (isItself || !fits(wanted.namespace.table.state(wanted.row), table.state(row))) continue;
    if (!table.isMirrorOf(row, wanted.namespace.table, wanted.row)) continue;
    let ofNamespace = found.get(wanted.namespace);
    if (!ofNamespace) {
      ofNamespace = new Map();
      found.set(wanted.namespace, ofNamespace);
    }
    ofNamespace.set(wanted.row, ofNamespace.has(wanted.row) ? 'several' : { namespace, row });
  }
}
