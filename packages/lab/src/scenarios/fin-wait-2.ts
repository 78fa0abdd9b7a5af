import { TcpState } from '@lastack/core';
import { clientSide, connections, finish } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { pair } from '../topology/pair.ts';
import { allSettled, inState, STANDING_STILL_MS } from './common.ts';

const held: Scenario = {
  name: 'fin-wait-2-held',
  title: 'closed for sending and still held; the peer does not close',
  expects: { rule: 'fin-wait-2-held', blame: ['peer-app'], state: 'FIN_WAIT2', forecastKind: 'never' },
  families: BOTH_FAMILIES,
  run: async (lab, { family, count = 5 }) => {
    const world = await pair(lab, family);
    const all = await connections(world, count);
    const clientFds = all.map(({ clientFd }) => clientFd);
    await finish(world.client, clientFds, 'shutdown');
    const sockets = clientSide(world, all);
    await allSettled(world.client, family, sockets, 'FIN_WAIT2', inState(TcpState.FIN_WAIT2));
    return { observeIn: world.client, scope: 'namespace', sockets, settleMs: STANDING_STILL_MS };
  },
};

/** How long an orphan stays at each setting of tcp_fin_timeout; above 60 s it passes through two timers. */
const STAYS_SECONDS: Readonly<Record<number, number>> = { 5: 5, 60: 60, 61: 2, 90: 60, 120: 120 };

function orphans(timeoutSeconds: number): Scenario {
  const settings = { 'ipv4/tcp_fin_timeout': timeoutSeconds };
  return {
    name: `fin-wait-2-orphans-${timeoutSeconds}`,
    title: `many orphans wait for one service to close, with tcp_fin_timeout ${timeoutSeconds}`,
    expects: { rule: 'fin-wait-2-orphans', blame: ['peer-app'], state: 'FIN_WAIT2', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    forecastTrial: { settings, deathWithinMs: (STAYS_SECONDS[timeoutSeconds] ?? 120) * 1150 + 2_000 },
    run: async (lab, { family, count = 600 }) => {
      const world = await pair(lab, family);
      await world.client.call('setSysctl', { values: settings });
      const all = await connections(world, count);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, 'close');
      const sockets = clientSide(world, all);
      await allSettled(world.client, family, sockets, 'FIN_WAIT2', inState(TcpState.FIN_WAIT2));
      return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0 };
    },
  };
}

export const finWait2: readonly Scenario[] = [held, ...[5, 60, 61, 90, 120].map(orphans)];
