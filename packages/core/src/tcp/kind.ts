import { TcpState } from './states.ts';

/**
 * What sort of kernel object a row is.
 * - `full`: a socket a process holds (or a kernel user holds: it has an inode)
 * - `orphan`: no process holds it any more, the kernel runs it down
 * - `unaccepted`: complete, but still in the accept queue of its listener
 * - `minisocket`: the small TIME_WAIT / FIN_WAIT2 stand-in; carries no TCP_INFO
 * - `request`: a half-open request socket in SYN_RECV
 */
export type SocketKind = 'full' | 'orphan' | 'unaccepted' | 'minisocket' | 'request';

/** `idiag_timer` of the kernel (net/ipv4/inet_diag.c). */
export const TimerCode = { NONE: 0, RETRANSMIT: 1, KEEPALIVE: 2, TIME_WAIT: 3, ZERO_WINDOW_PROBE: 4 } as const;
export type TimerCode = (typeof TimerCode)[keyof typeof TimerCode];

/**
 * An inode of 0 means three different things: only in the closing states is it an orphan; in ESTABLISHED and
 * CLOSE_WAIT the socket waits to be accepted (no process has a descriptor yet).
 */
export function socketKind(state: number, timer: number, inode: number): SocketKind {
  if (timer === TimerCode.TIME_WAIT || state === TcpState.TIME_WAIT) return 'minisocket';
  if (inode !== 0) return 'full';
  switch (state) {
    case TcpState.SYN_RECV:
    case TcpState.NEW_SYN_RECV:
      return 'request';
    case TcpState.ESTABLISHED:
    case TcpState.CLOSE_WAIT:
      return 'unaccepted';
    case TcpState.FIN_WAIT1:
    case TcpState.FIN_WAIT2:
    case TcpState.CLOSING:
    case TcpState.LAST_ACK:
      return 'orphan';
    default:
      return 'full';
  }
}
