import { TcpState } from '@lastack/core';
import { clientSide, connections, finish, serverSide } from '../connection.ts';
import type { Lab } from '../lab.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { loopback } from '../topology/loopback.ts';
import { pair } from '../topology/pair.ts';
import type { World } from '../topology/world.ts';
import { readEndOfFile } from './close-wait.ts';
import { allSettled, inState, STANDING_STILL_MS } from './common.ts';

const FORGOTTEN = {
  rule: 'close-wait-close-forgotten',
  blame: ['local-app'],
  state: 'CLOSE_WAIT',
  forecastKind: 'never',
} as const;

/** The client stopped sending and holds on; the server read the end of file and holds on. Both ends can be seen. */
function bothEnds(name: string, title: string, build: (lab: Lab, family: 4 | 6) => Promise<World>): Scenario {
  return {
    name,
    title,
    expects: FORGOTTEN,
    families: BOTH_FAMILIES,
    run: async (lab, { family, count = 3 }) => {
      const world = await build(lab, family);
      const all = await connections(world, count);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, 'shutdown');
      for (const connection of all) await readEndOfFile(world, connection);
      const near = clientSide(world, all);
      const sockets = serverSide(world, all);
      await allSettled(world.client, family, near, 'FIN_WAIT2', inState(TcpState.FIN_WAIT2));
      await allSettled(world.server, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
      return { observeIn: world.server, scope: 'all', sockets, settleMs: STANDING_STILL_MS };
    },
  };
}

const forkedHolder: Scenario = {
  name: 'forked-holder',
  title: 'a child process inherited the socket: two processes hold what neither has closed',
  expects: FORGOTTEN,
  families: BOTH_FAMILIES,
  run: async (lab, { family, count = 1 }) => {
    const world = await pair(lab, family);
    const all = await connections(world, count);
    for (const { serverFd } of all) await world.server.call('shareWithChild', { fd: serverFd, name: 'lab-worker' });
    const clientFds = all.map(({ clientFd }) => clientFd);
    await finish(world.client, clientFds, 'close');
    for (const connection of all) await readEndOfFile(world, connection);
    const sockets = serverSide(world, all);
    await allSettled(world.server, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
    return { observeIn: world.server, scope: 'namespace', sockets, settleMs: STANDING_STILL_MS };
  },
};

export const holders: readonly Scenario[] = [
  bothEnds('both-ends-visible', 'both ends of the connections are visible, in two namespaces', pair),
  bothEnds('both-ends-same-host', 'both ends of the connections are visible, in one namespace', loopback),
  forkedHolder,
];
