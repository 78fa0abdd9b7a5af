import { TcpState } from '../tcp/states.ts';
import type { ClearTarget } from './target.ts';

/** States in which our own SYN or FIN waits to be acknowledged, and counts as one byte of the send queue. */
const CONTROL_BYTE_QUEUED: ReadonlySet<number> = new Set([
  TcpState.SYN_SENT,
  TcpState.FIN_WAIT1,
  TcpState.CLOSING,
  TcpState.LAST_ACK,
]);
/** States after the peer's FIN, which counts as one byte of the receive queue while anything is unread. */
const END_OF_FILE_QUEUED: ReadonlySet<number> = new Set([TcpState.CLOSE_WAIT, TcpState.CLOSING, TcpState.LAST_ACK]);

/** Bytes of the program that the peer has not acknowledged. */
export function unsentBytes({ state, sendQueueBytes }: Pick<ClearTarget, 'state' | 'sendQueueBytes'>): number {
  // A listener's queues count connections.
  if (state === TcpState.LISTEN) return 0;
  return Math.max(0, sendQueueBytes - (CONTROL_BYTE_QUEUED.has(state) ? 1 : 0));
}

/** Bytes of the peer that the program could still read. */
export function unreadBytes({ state, kind, receiveQueueBytes }: ClearTarget): number {
  if (state === TcpState.LISTEN || (kind !== 'full' && kind !== 'unaccepted')) return 0;
  return Math.max(0, receiveQueueBytes - (END_OF_FILE_QUEUED.has(state) ? 1 : 0));
}
