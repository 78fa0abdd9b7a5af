import { type RuleContext, TcpState } from '@lastack/core';
import { Mirrors } from '@lastack/kernel';
import type { ObservedNamespace } from './observation.ts';

/** States in which a socket has no other end. */
const SINGLE_STATES: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

const { CLOSE_WAIT, ESTABLISHED, FIN_WAIT2, SYN_SENT, TIME_WAIT } = TcpState;

/**
 * State pairs that one connection cannot show, whatever was lost on the way: then the addresses merely coincide.
 * CLOSE_WAIT has received the peer's FIN, so the peer has sent one; FIN_WAIT2's FIN was acknowledged, so it arrived;
 * TIME_WAIT's own FIN was acknowledged and the peer's has arrived, which the states listed with it contradict.
 */
const IMPOSSIBLE: readonly (readonly [number, number])[] = [
  [CLOSE_WAIT, ESTABLISHED],
  [CLOSE_WAIT, SYN_SENT],
  [CLOSE_WAIT, CLOSE_WAIT],
  [FIN_WAIT2, ESTABLISHED],
  [FIN_WAIT2, SYN_SENT],
  [TIME_WAIT, CLOSE_WAIT],
  [TIME_WAIT, FIN_WAIT2],
  [TIME_WAIT, ESTABLISHED],
  [TIME_WAIT, SYN_SENT],
];

/** Bit `other state` is set in the mask of each state where the pair fits. */
const FIT_MASKS = Uint16Array.from({ length: 16 }, (_, state) => {
  let mask = 0;
  for (let other = 0; other < 16; other++) if (canBePair(state, other)) mask |= 1 << other;
  return mask;
});

function canBePair(one: number, other: number): boolean {
  if (SINGLE_STATES.has(one) || SINGLE_STATES.has(other)) return false;
  return !IMPOSSIBLE.some(([a, b]) => (a === one && b === other) || (a === other && b === one));
}

/** Finds the other ends of the given sockets among all sockets of all namespaces. */
export function findPeers(
  namespaces: readonly ObservedNamespace[],
  rowsOf: ReadonlyMap<ObservedNamespace, ArrayLike<number>>,
): RuleContext['peerOf'] {
  const queries = namespaces.map((namespace) => ({ table: namespace.table, wanted: rowsOf.get(namespace) ?? [] }));
  const mirrors = new Mirrors(queries, FIT_MASKS);
  const indexOf = new Map<unknown, number>(namespaces.map((namespace, index) => [namespace, index]));
  return ({ namespace, row }) => {
    const index = indexOf.get(namespace);
    const peer = index === undefined ? -1 : mirrors.rowOf(index, row);
    return index === undefined || peer < 0
      ? undefined
      : { namespace: namespaces[mirrors.tableOf(index, row)], row: peer };
  };
}
