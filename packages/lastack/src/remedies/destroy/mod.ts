import { type Abilities, type ClearTarget, type Refusal, TcpState } from '@lastack/core';
import {
  CapabilityBit,
  effectiveCapabilities,
  hasCapability,
  KernelError,
  NetlinkProtocol,
  openNetlink,
  probeSockDestroy,
} from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { Remedy } from '../remedy.ts';
import { applyDestroy } from './apply.ts';
import { previewDestroy } from './preview.ts';

/** SOCK_DESTROY: the kernel itself ends the socket, whoever holds it. */
export const destroy: Remedy = {
  id: 'destroy',
  title: 'the kernel drops the socket (SOCK_DESTROY); where the state has a reset, the peer gets one',
  undo: 'none',
  probe,
  refuse,
  preview: previewDestroy,
  apply: applyDestroy,
};

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const MAY_BREAK: ReadonlySet<number> = new Set([TcpState.FIN_WAIT1, TcpState.CLOSING, TcpState.LAST_ACK]);

function refuse({ state, kind, cookie }: ClearTarget, abilities: Abilities): Refusal | undefined {
  if (abilities.refusals.destroy) return abilities.refusals.destroy;
  if (cookie === 0n || cookie === ALL_ONES) {
    return { outcome: 'unsupported', because: 'the kernel gave no identity (cookie) for it' };
  }
  if (state === TcpState.BOUND_INACTIVE || state === TcpState.CLOSE) {
    return {
      outcome: 'unsupported',
      because: 'it has no connection: the kernel does not find sockets that are merely bound',
      todo: 'have its program close it: signal or restart',
    };
  }
  if (kind === 'orphan' && MAY_BREAK.has(state) && abilities.destroyBreaksOrphans) {
    return {
      outcome: 'unsupported',
      because: 'on this kernel it may leave an orphan without a timer, for ever',
      todo: 'use reset or sweep-orphans',
    };
  }
  return undefined;
}

async function probe(effects: Effects): Promise<Refusal | undefined> {
  try {
    const transport = openNetlink(effects.libc(), NetlinkProtocol.SOCK_DIAG);
    try {
      const { available, because, todo } = await probeSockDestroy(transport);
      if (!available) return { outcome: 'unsupported', because, todo };
    } finally {
      transport.close();
    }
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { outcome: 'unsupported', because: error.message, todo: error.todo };
  }
  // The kernel looks for the socket first: without the capability it is EPERM, and nothing happens.
  if (hasCapability(effectiveCapabilities(effects.procRoot), CapabilityBit.NET_ADMIN)) return undefined;
  return { outcome: 'not-permitted', because: 'CAP_NET_ADMIN is missing', todo: 'run as root or with CAP_NET_ADMIN' };
}
