import { type Refusal, TcpState } from '@lastack/core';
import { CapabilityBit, effectiveCapabilities, hasCapability, readConntrackCount } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { Remedy } from '../remedy.ts';
import { applyConntrack, NOT_LOADED, SOCKET_REMAINS } from './apply.ts';

const WITHOUT_CONNECTION: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

/** Deletes the one conntrack entry of a connection. That ends no socket, and the remedy never claims it did. */
export const conntrack: Remedy = {
  id: 'conntrack',
  title: 'delete the one conntrack entry of the connection; the socket remains',
  undo: 'none',
  probe: async (effects) => conntrackRefusal(effects),
  refuse({ state }, { refusals }) {
    if (refusals.conntrack) return refusals.conntrack;
    if (!WITHOUT_CONNECTION.has(state)) return undefined;
    return { outcome: 'unsupported', because: 'it has no connection that could be tracked' };
  },
  preview: () => ({
    peerSees: 'nothing; a firewall that wants SYN first drops later packets',
    lostBytes: 0,
    // Whether there is an entry is looked up when it is to be deleted.
    remains: `${SOCKET_REMAINS}, if it tracks it`,
  }),
  apply: applyConntrack,
};

/** Why no conntrack entry can be deleted here; undefined = only the single socket can tell. */
export function conntrackRefusal({ procRoot }: Effects): Refusal | undefined {
  if (!hasCapability(effectiveCapabilities(procRoot), CapabilityBit.NET_ADMIN)) {
    return { outcome: 'not-permitted', because: 'CAP_NET_ADMIN is missing', todo: 'run as root or with CAP_NET_ADMIN' };
  }
  // The module is the whole host's, so its absence here is its absence in every namespace.
  return readConntrackCount({ procRoot }) === undefined ? { outcome: 'unsupported', because: NOT_LOADED } : undefined;
}
