import { TcpState } from '@lastack/core';
import { clientSide, connections, finish, SERVICE_PORT } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { settled } from '../settle.ts';
import { pair } from '../topology/pair.ts';
import type { World } from '../topology/world.ts';
import { allSettled, inState } from './common.ts';

const PORTS = 500;
const FIRST_PORT = 40_000;
const USED = 450;

/** Opens and closes, the client first: each leaves a TIME_WAIT on the client's side. */
async function closedByClient(world: World, count: number) {
  const all = await connections(world, count);
  const clientFds = all.map(({ clientFd }) => clientFd);
  const serverFds = all.map(({ serverFd }) => serverFd);
  await finish(world.client, clientFds, 'close');
  await finish(world.server, serverFds, 'close');
  return clientSide(world, all);
}

const portPressure: Scenario = {
  name: 'time-wait-port-pressure',
  title: `${USED} of ${PORTS} ephemeral ports towards one service are in TIME_WAIT`,
  expects: { rule: 'time-wait-port-pressure', blame: ['local-app'], state: 'TIME_WAIT', forecastKind: 'at' },
  families: BOTH_FAMILIES,
  forecastTrial: { settings: {}, deathWithinMs: 75_000 },
  run: async (lab, { family, count = USED }) => {
    const world = await pair(lab, family);
    const last = FIRST_PORT + PORTS - 1;
    await world.client.call('setSysctl', { values: { 'ipv4/ip_local_port_range': `${FIRST_PORT} ${last}` } });
    const sockets = await closedByClient(world, count);
    await allSettled(world.client, family, sockets, 'TIME_WAIT', inState(TcpState.TIME_WAIT));
    return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0 };
  },
};

const BUCKETS = 50;

/** Connections go on ending while the doctor looks, so that the overflow counter moves between its two reads. */
const overflow: Scenario = {
  name: 'time-wait-overflow',
  title: `tcp_max_tw_buckets is ${BUCKETS}: connections end without TIME_WAIT`,
  expects: { rule: 'time-wait-overflow', blame: ['kernel-setting'], state: undefined, forecastKind: undefined },
  families: BOTH_FAMILIES,
  run: async (lab, { family }) => {
    const world = await pair(lab, family);
    await world.client.call('setSysctl', { values: { 'ipv4/tcp_max_tw_buckets': BUCKETS } });
    const to = { address: world.serverAddress, port: SERVICE_PORT };
    await world.server.call('serve', { at: to, replyAfterMs: 0 });
    await world.client.call('churn', { to, perSecond: 100, halfClosePerSecond: 0, keepOpen: 0 });
    const all = await settled(world.client, family, 'as many TIME_WAIT as are allowed', (sockets) => {
      return sockets.filter(inState(TcpState.TIME_WAIT)).length >= BUCKETS;
    });
    const sockets = all.filter(inState(TcpState.TIME_WAIT)).map(({ local, remote }) => ({
      local: { address: world.clientAddress, port: local.port },
      remote: { address: world.serverAddress, port: remote.port },
    }));
    return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 500 };
  },
};

export const timeWait: readonly Scenario[] = [portPressure, overflow];
