import { TcpState } from '@lastack/core';
import { type Connection, connections, finish, SERVICE_PORT, serverSide } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { pair } from '../topology/pair.ts';
import type { World } from '../topology/world.ts';
import { allSettled, inState, STANDING_STILL_MS } from './common.ts';

const READ_LIMIT_MS = 20_000;
const UNREAD_BYTES = 1_000;

/** The peer sent data, then closed; the server did with it what `afterClose` does, and kept the descriptor. */
function held(
  rule: string,
  title: string,
  beforeClose: (world: World, connection: Connection) => Promise<unknown>,
  afterClose: (world: World, connection: Connection) => Promise<unknown>,
): Scenario {
  return {
    name: rule,
    title,
    expects: { rule, blame: ['local-app'], state: 'CLOSE_WAIT', forecastKind: 'never' },
    families: BOTH_FAMILIES,
    run: async (lab, { family, count = 5 }) => {
      const world = await pair(lab, family);
      const all = await connections(world, count);
      for (const connection of all) await beforeClose(world, connection);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, 'close');
      const sockets = serverSide(world, all);
      await allSettled(world.server, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
      for (const connection of all) await afterClose(world, connection);
      return { observeIn: world.server, scope: 'namespace', sockets, settleMs: STANDING_STILL_MS };
    },
  };
}

const nothing = async () => undefined;

export function readEndOfFile(world: World, { serverFd }: Connection): Promise<number> {
  return world.server.call('receive', { fd: serverFd, bytes: 4_096, limitMs: READ_LIMIT_MS });
}

const unaccepted: Scenario = {
  name: 'close-wait-unaccepted',
  title: 'connections that their clients gave up while they waited to be accepted',
  expects: { rule: 'close-wait-unaccepted', blame: ['local-app'], state: 'CLOSE_WAIT', forecastKind: 'never' },
  families: BOTH_FAMILIES,
  run: async (lab, { family, count = 5 }) => {
    const world = await pair(lab, family);
    const at = { address: world.serverAddress, port: SERVICE_PORT };
    await world.server.call('listen', { at, backlog: 128 });
    const opened = await world.client.call('connectMany', { to: at, count, limitMs: READ_LIMIT_MS });
    await world.client.call('close', { fds: opened.fds });
    const sockets = opened.ports.map((port) => ({ local: at, remote: { address: world.clientAddress, port } }));
    await allSettled(world.server, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
    return { observeIn: world.server, scope: 'namespace', sockets, settleMs: STANDING_STILL_MS };
  },
};

export const closeWait: readonly Scenario[] = [
  held('close-wait-eof-unread', 'the peer closed and the program has not looked', nothing, nothing),
  held(
    'close-wait-data-unread',
    'the program stopped reading before the end of the data',
    ({ client }, { clientFd }) => client.call('send', { fd: clientFd, bytes: UNREAD_BYTES }),
    nothing,
  ),
  held('close-wait-close-forgotten', 'the program read the end of file and never closed', nothing, readEndOfFile),
  unaccepted,
];
