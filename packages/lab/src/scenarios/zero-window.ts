import { TcpState } from '@lastack/core';
import { type Connection, clientSide, connections, finish } from '../connection.ts';
import type { Lab } from '../lab.ts';
import { BOTH_FAMILIES, type Scenario, type ScenarioOptions, type Stage } from '../scenario.ts';
import { routed } from '../topology/routed.ts';
import type { World } from '../topology/world.ts';
import { allSettled, type Ending, HOW, inState, nameSuffix, probing } from './common.ts';
import { BLAME_OF } from './faults.ts';
import { ANSWERED_ORPHAN_TRIAL, probeTrial } from './trials.ts';

const QUIET_MS = 150;
/** Time for four doublings of the probe interval: a window shut for 3 s is no flow control of the moment. */
const CLOSING_SHUT_MS = 3_700;
/** … for six: readers of open connections pause for longer. */
const OPEN_SHUT_MS = 14_500;
const SMALL_BUFFERS = { client: { SO_SNDBUF: 16_384 }, server: { SO_RCVBUF: 16_384 } };

/** Connections whose server does not read, filled until neither buffer takes another byte. */
async function full(lab: Lab, family: 4 | 6, count: number): Promise<{ world: World; all: Connection[] }> {
  const world = await routed(lab, family);
  const all = await connections(world, count, SMALL_BUFFERS);
  return { world, all };
}

function fillAll(world: World, all: readonly Connection[]): Promise<unknown> {
  return Promise.all(all.map(({ clientFd }) => world.client.call('fill', { fd: clientFd, quietMs: QUIET_MS })));
}

async function stageOf(world: World, all: readonly Connection[], state: number, answered: boolean): Promise<Stage> {
  const sockets = clientSide(world, all);
  await allSettled(world.client, world.family, sockets, 'zero-window probes', probing(state));
  if (!answered) {
    await world.cut?.('both');
    await allSettled(world.client, world.family, sockets, 'unanswered probes', ({ probes }) => probes >= 3);
  }
  return {
    observeIn: world.client,
    scope: 'namespace',
    sockets,
    settleMs: !answered ? 0 : state === TcpState.ESTABLISHED ? OPEN_SHUT_MS : CLOSING_SHUT_MS,
    unfreeze: world.restore,
  };
}

function finWait1(ending: Ending, answered: boolean): Scenario {
  const owned = ending === 'owned';
  return {
    name: `fin-wait-1-zero-window${answered ? '' : '-unanswered'}${nameSuffix(ending)}`,
    title: answered
      ? 'closed, but the peer does not read what is still to be sent'
      : 'closed against a shut window, and then the peer stopped answering probes',
    expects: answered
      ? {
          rule: 'fin-wait-1-zero-window',
          blame: ['peer-app'],
          state: 'FIN_WAIT1',
          forecastKind: owned ? 'never' : 'at',
        }
      : { rule: 'fin-wait-1-blackhole', blame: BLAME_OF.silence, state: 'FIN_WAIT1', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    ...(answered ? (owned ? {} : { forecastTrial: ANSWERED_ORPHAN_TRIAL }) : { forecastTrial: probeTrial(ending) }),
    run: async (lab, { family, count = 6 }) => {
      const { world, all } = await full(lab, family, count);
      await fillAll(world, all);
      await finish(
        world.client,
        all.map(({ clientFd }) => clientFd),
        HOW[ending],
      );
      return stageOf(world, all, TcpState.FIN_WAIT1, answered);
    },
  };
}

function lastAck(ending: Ending): Scenario {
  return {
    name: `last-ack-zero-window${nameSuffix(ending)}`,
    title: 'the peer closed its sending side and does not read what we still have for it',
    expects: {
      rule: 'last-ack-zero-window',
      blame: ['peer-app'],
      state: 'LAST_ACK',
      forecastKind: ending === 'owned' ? 'never' : 'at',
    },
    families: BOTH_FAMILIES,
    ...(ending === 'orphan' ? { forecastTrial: ANSWERED_ORPHAN_TRIAL } : {}),
    run: async (lab, { family, count = 6 }) => {
      const { world, all } = await full(lab, family, count);
      const serverFds = all.map(({ serverFd }) => serverFd);
      await finish(world.server, serverFds, 'shutdown');
      const inCloseWait = inState(TcpState.CLOSE_WAIT);
      await allSettled(world.client, family, clientSide(world, all), 'CLOSE_WAIT', inCloseWait);
      await fillAll(world, all);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, HOW[ending]);
      return stageOf(world, all, TcpState.LAST_ACK, true);
    },
  };
}

async function runEstablished(lab: Lab, { family, count = 6 }: ScenarioOptions): Promise<Stage> {
  const { world, all } = await full(lab, family, count);
  await fillAll(world, all);
  return stageOf(world, all, TcpState.ESTABLISHED, true);
}

const established: Scenario = {
  name: 'established-zero-window',
  title: 'an open connection whose peer has stopped reading',
  expects: { rule: 'established-zero-window', blame: ['peer-app'], state: 'ESTABLISHED', forecastKind: 'never' },
  families: BOTH_FAMILIES,
  run: runEstablished,
};

export const zeroWindow: readonly Scenario[] = [
  finWait1('owned', true),
  finWait1('orphan', true),
  finWait1('owned', false),
  finWait1('orphan', false),
  lastAck('owned'),
  lastAck('orphan'),
  established,
];
