import {
  type Abilities,
  type ClearTarget,
  type Preview,
  type Refusal,
  stateName,
  TcpState,
  unsentBytes,
} from '@lastack/core';
import type { Remedy } from '../remedy.ts';
import { heldAfterReset, joined, PEER_UNAWARE } from '../shared/holders.ts';
import { applyReset } from './apply.ts';
import { type Manner, mannerOf } from './manner.ts';
import { probeRawPackets } from './probe.ts';

/**
 * Resets a socket of this host from outside, as its peer could: a spoofed packet makes the kernel say which number it
 * expects next, and a spoofed reset carries exactly that. Needs no SOCK_DESTROY and no holder.
 */
export const reset: Remedy = {
  id: 'reset',
  title: 'resets the socket with spoofed packets, as if its peer had: works without SOCK_DESTROY',
  undo: 'none',
  probe: probeRawPackets,
  refuse,
  preview,
  apply: applyReset,
};

function refuse(target: ClearTarget, { refusals }: Abilities): Refusal | undefined {
  if (refusals.reset) return refusals.reset;
  if (mannerOf(target)) return undefined;
  const because = `in ${stateName(target.state)} it has no connection that could be reset`;
  return { outcome: 'unsupported', because, todo: 'have its program close it: signal or restart' };
}

const PEER_SEES: Readonly<Record<Manner, string>> = {
  syn: 'one stray ACK, no reset',
  ack: 'one stray ACK, no reset',
  'own-syn': 'no more SYNs',
};

/** The peers of these have closed already, or never answered. */
const PEER_DONE: ReadonlySet<number> = new Set([TcpState.TIME_WAIT, TcpState.SYN_SENT]);

function preview(target: ClearTarget): Preview {
  return {
    peerSees: PEER_SEES[mannerOf(target) ?? 'syn'],
    programSees: programSees(target),
    lostBytes: unsentBytes(target),
    remains: joined(heldAfterReset(target), PEER_DONE.has(target.state) ? undefined : PEER_UNAWARE),
  };
}

function programSees({ state, kind }: ClearTarget): string | undefined {
  if (kind === 'unaccepted') return 'an ended connection when it accepts it';
  if (kind !== 'full') return undefined;
  if (state === TcpState.SYN_SENT) return 'ECONNREFUSED';
  return state === TcpState.CLOSE_WAIT ? 'end of file, EPIPE when it writes' : 'ECONNRESET';
}
