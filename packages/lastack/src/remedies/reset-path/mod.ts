import type { Remedy } from '../remedy.ts';
import { probeRawPackets } from '../reset/probe.ts';
import { SOCKET_IS_HERE } from './reset_path.ts';

export { type PathOptions, type PathTarget, resetPath } from './reset_path.ts';
export type { EndResult, EndState, PathReset } from './result.ts';

/** For connections that pass through this host, which are no targets: see `resetPath`. Sockets of its own it refuses. */
export const resetPathRemedy: Remedy = {
  id: 'reset-path',
  title: 'on a router or firewall: resets both ends of a connection that passes through',
  undo: 'none',
  probe: probeRawPackets,
  refuse: (_, { refusals }) => refusals['reset-path'] ?? SOCKET_IS_HERE,
  preview: () => ({ peerSees: 'a reset', lostBytes: 0, remains: 'whatever has taken over the addresses' }),
  apply: async (_, targets) => targets.map(() => SOCKET_IS_HERE),
};
