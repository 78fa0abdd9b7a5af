import type { Finding, Rule } from '../../finding.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../../testing.ts';
import { findIn, heldBy, listener, many, runRule } from './testing.ts';

/** For tests: a socket of a server that closed last, or at the same time, and gets no answer to its FIN. */
function unansweredFin(state: number, more: Partial<SocketSpec> = {}): SocketSpec {
  return {
    state,
    localPort: 8080,
    inode: 0,
    sendQueue: 1,
    timer: TimerCode.RETRANSMIT,
    retries: 7,
    expiresMs: 5_000,
    info: { retransmits: 7, backoff: 7, rtoMs: 25_600, unackedSegments: 1, lastAckReceivedMs: 50_000 },
    ...more,
  };
}

/** For tests: eight orphans of one service. */
export function findOrphanedFins(rule: Rule, state: number): Finding[] {
  return findIn(rule, [listener(8080), ...many(8, (index) => unansweredFin(state, { remotePort: 5000 + index }))]);
}

/** For tests: one that a program holds. */
export function findHeldFin(rule: Rule, state: number): Finding[] {
  const socket = unansweredFin(state, { inode: 100, retries: 3 });
  return runRule(rule, [namespaceOf([socket])], { owners: heldBy([100]) });
}

/** For tests: one whose peer does not answer on the link. */
export function findFinToDeadNeighbour(rule: Rule, state: number): Finding[] {
  const paths = new Map([['10.0.0.2', { route: 'on-link', device: 'eth0', neighbour: 'FAILED' } as const]]);
  return findIn(rule, [unansweredFin(state)], { paths });
}

/** For tests: what no rule about unanswered FINs in this state may report. */
export function ordinaryFins(state: number): [string, SocketSpec][] {
  return [
    ['the first retransmissions', unansweredFin(state, { retries: 2 })],
    ['a lone orphan that the kernel soon drops', unansweredFin(state, { retries: 4 })],
    ['no timer', unansweredFin(state, { timer: TimerCode.NONE, retries: 0 })],
    ['a shut window', unansweredFin(state, { timer: TimerCode.ZERO_WINDOW_PROBE, retries: 0 })],
    ['another state', unansweredFin(TcpState.FIN_WAIT1)],
  ];
}
