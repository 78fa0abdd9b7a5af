import { type ClearTarget, TcpState } from '@lastack/core';

/**
 * How a socket is brought to say which number a reset must carry.
 * - `syn`: a spoofed SYN draws a challenge ACK, whatever its number (an ACK of the wrong number would only bring a
 *   half-open connection's listener to send a reset)
 * - `ack`: a spoofed ACK outside of the window is answered; for minisockets, which the kernel may give up for a new
 *   connection when a SYN comes
 * - `own-syn`: its own next SYN tells; a spoofed one would be taken for the peer's (simultaneous open)
 */
export type Manner = 'syn' | 'ack' | 'own-syn';

/** undefined: no packet resets a socket in this state. */
export function mannerOf({ state, kind }: Pick<ClearTarget, 'state' | 'kind'>): Manner | undefined {
  if (kind === 'minisocket') return 'ack';
  switch (state) {
    case TcpState.SYN_RECV:
    case TcpState.NEW_SYN_RECV:
    case TcpState.ESTABLISHED:
    case TcpState.CLOSE_WAIT:
    case TcpState.FIN_WAIT1:
    case TcpState.FIN_WAIT2:
    case TcpState.CLOSING:
    case TcpState.LAST_ACK:
      return 'syn';
    case TcpState.TIME_WAIT:
      return 'ack';
    case TcpState.SYN_SENT:
      return 'own-syn';
    default:
      return undefined;
  }
}
