import { type Abilities, type ClearTarget, type Preview, type Refusal, stateName, TcpState } from '@lastack/core';
import { shutdownSending } from '@lastack/kernel';
import type { Remedy } from '../remedy.ts';
import { heldDescriptor, joined } from '../shared/holders.ts';
import { applyOnDescriptors, probeDuplicates, refuseWithoutHolder } from '../shared/on_descriptor.ts';

/**
 * shutdown(SHUT_WR) on a duplicate of the program's descriptor: the connection ends by FIN, as the program itself would
 * have ended it, and nothing is lost. The program is neither stopped nor changed.
 */
export const closeGracefully: Remedy = {
  id: 'close-gracefully',
  title: "closes for sending through a duplicate of the program's descriptor: the peer gets a FIN, nothing is lost",
  undo: 'none',
  probe: probeDuplicates,
  refuse,
  preview,
  apply: (context, targets) => applyOnDescriptors(context, 'close-gracefully', targets, shutdownSending),
};

const HAS_SENT_FIN: ReadonlySet<number> = new Set([
  TcpState.FIN_WAIT1,
  TcpState.FIN_WAIT2,
  TcpState.CLOSING,
  TcpState.LAST_ACK,
  TcpState.TIME_WAIT,
]);
const APPLIES: ReadonlySet<number> = new Set([TcpState.CLOSE_WAIT, TcpState.ESTABLISHED, TcpState.SYN_SENT]);

function refuse(target: ClearTarget, { refusals }: Abilities): Refusal | undefined {
  if (refusals['close-gracefully']) return refusals['close-gracefully'];
  const { state } = target;
  if (HAS_SENT_FIN.has(state)) {
    const todo = 'use destroy, abort or reset';
    return { outcome: 'unsupported', because: `in ${stateName(state)} our end is closed already`, todo };
  }
  if (!APPLIES.has(state)) {
    return { outcome: 'unsupported', because: `in ${stateName(state)} there is no connection to close` };
  }
  return refuseWithoutHolder(target);
}

function preview(target: ClearTarget): Preview {
  const { state, sendQueueBytes } = target;
  const held = heldDescriptor(target);
  const untilClosed = held && `${held} until it closes it`;
  if (state === TcpState.SYN_SENT) {
    return { peerSees: 'nothing', programSees: 'ECONNRESET', lostBytes: 0, remains: untilClosed };
  }
  const peerSees = sendQueueBytes > 0 ? `the ${sendQueueBytes} bytes still queued, then a FIN` : 'a FIN';
  if (state === TcpState.CLOSE_WAIT) {
    return { peerSees, programSees: 'end of file, EPIPE when it writes', lostBytes: 0, remains: untilClosed };
  }
  return {
    peerSees,
    programSees: 'EPIPE when it writes; it can still read',
    lostBytes: 0,
    remains: joined('FIN_WAIT2 until the peer closes too', untilClosed),
  };
}
