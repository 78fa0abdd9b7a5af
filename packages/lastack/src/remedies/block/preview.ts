import { type ClearTarget, type Preview, TcpState } from '@lastack/core';
import type { Verdict } from './block.ts';

/** Sockets that send of their own accord: a reset answers that. The others wait, and a rule is never asked. */
const SENDS: ReadonlySet<number> = new Set([
  TcpState.FIN_WAIT1,
  TcpState.LAST_ACK,
  TcpState.CLOSING,
  TcpState.SYN_SENT,
]);

/** What a block does to a socket, and above all what it does not clear. */
export function previewBlock(
  verdict: Verdict,
  target: Pick<ClearTarget, 'state' | 'owners' | 'sendQueueBytes'>,
): Preview {
  const { state, owners, sendQueueBytes } = target;
  if (verdict === 'drop') {
    return {
      peerSees: 'nothing any more',
      lostBytes: 0,
      remains: 'the socket, and longer than without the rule: what would have ended it is dropped as well',
    };
  }
  const isSending = SENDS.has(state) || sendQueueBytes > 0;
  return {
    peerSees: 'nothing, until it sends: then a reset',
    ...(owners.length > 0 && { programSees: isSending ? 'ECONNRESET' : 'nothing, until it sends: then ECONNRESET' }),
    lostBytes: sendQueueBytes,
    remains: isSending
      ? "the peer's end, until it sends; this one goes at its next retransmission"
      : 'both ends, until one of them sends: a rule clears no idle socket',
  };
}
