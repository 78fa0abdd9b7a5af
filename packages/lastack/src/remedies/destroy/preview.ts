import { type ClearTarget, type Preview, TcpState, unsentBytes } from '@lastack/core';
import { heldAfterReset, joined, PEER_UNAWARE } from '../shared/holders.ts';

/** States whose end the kernel announces (tcp_need_reset in net/ipv4/tcp.c). */
export const RESETS: ReadonlySet<number> = new Set([
  TcpState.ESTABLISHED,
  TcpState.CLOSE_WAIT,
  TcpState.FIN_WAIT1,
  TcpState.FIN_WAIT2,
  TcpState.SYN_RECV,
]);

export function previewDestroy(target: ClearTarget): Preview {
  const { state, kind } = target;
  if (state === TcpState.LISTEN) {
    return {
      peerSees: 'a reset of each connection not yet accepted',
      programSees: 'EINVAL from accept',
      lostBytes: 0,
      remains: heldAfterReset(target),
    };
  }
  const isReset = RESETS.has(state) && kind !== 'minisocket' && kind !== 'request';
  return {
    peerSees: isReset ? 'a reset' : 'nothing',
    programSees: programSees(target),
    lostBytes: unsentBytes(target),
    // The peer of a TIME_WAIT has closed already.
    remains: joined(
      heldAfterReset(target),
      isReset || state === TcpState.TIME_WAIT || state === TcpState.SYN_SENT ? undefined : PEER_UNAWARE,
    ),
  };
}

/** Measured: what was received before is still read first. */
function programSees({ state, kind }: ClearTarget): string | undefined {
  if (kind === 'unaccepted') return 'an ended connection when it accepts it';
  if (kind !== 'full') return undefined;
  if (state === TcpState.CLOSE_WAIT) return 'end of file, ECONNABORTED when it writes';
  return 'ECONNABORTED';
}
