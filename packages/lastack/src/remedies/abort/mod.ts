import {
  type Abilities,
  type ClearTarget,
  type Preview,
  type Refusal,
  stateName,
  TcpState,
  unreadBytes,
  unsentBytes,
} from '@lastack/core';
import { disconnect, disconnectSilently } from '@lastack/kernel';
import { RESETS } from '../destroy/preview.ts';
import type { Remedy } from '../remedy.ts';
import { heldAfterReset, joined, PEER_UNAWARE } from '../shared/holders.ts';
import { applyOnDescriptors, probeDuplicates, refuseWithoutHolder } from '../shared/on_descriptor.ts';

export interface AbortOptions {
  /** Without a packet (TCP_REPAIR): the peer is told nothing. Needs CAP_NET_ADMIN. */
  silent: boolean;
}

/**
 * connect(AF_UNSPEC) on a duplicate of the program's descriptor: the kernel drops the connection at once. Works where
 * SOCK_DESTROY is missing.
 */
export function makeAbort({ silent }: AbortOptions): Remedy {
  return {
    id: 'abort',
    title: silent
      ? "drops the connection through a duplicate of the program's descriptor, without telling the peer"
      : "resets the connection through a duplicate of the program's descriptor",
    undo: 'none',
    probe: probeDuplicates,
    refuse,
    preview: (target) => preview(target, silent),
    apply: (context, targets) =>
      applyOnDescriptors(context, 'abort', targets, silent ? disconnectSilently : disconnect),
  };
}

const WITHOUT_CONNECTION: ReadonlySet<number> = new Set([
  TcpState.LISTEN,
  TcpState.BOUND_INACTIVE,
  TcpState.CLOSE,
  TcpState.TIME_WAIT,
]);

function refuse(target: ClearTarget, { refusals }: Abilities): Refusal | undefined {
  if (refusals.abort) return refusals.abort;
  if (WITHOUT_CONNECTION.has(target.state)) {
    const because = `in ${stateName(target.state)} no program has a connection to drop`;
    return { outcome: 'unsupported', because };
  }
  return refuseWithoutHolder(target);
}

function preview(target: ClearTarget, silent: boolean): Preview {
  const isReset = !silent && RESETS.has(target.state);
  return {
    peerSees: isReset ? 'a reset' : 'nothing',
    programSees: silent ? 'ECONNABORTED' : 'ECONNRESET; EPIPE where it already waits in a read',
    // The receive queue goes as well, unlike with destroy.
    lostBytes: unsentBytes(target) + unreadBytes(target),
    remains: joined(heldAfterReset(target), isReset || target.state === TcpState.SYN_SENT ? undefined : PEER_UNAWARE),
  };
}
