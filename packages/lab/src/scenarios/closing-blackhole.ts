import { TcpState } from '@lastack/core';
import { clientSide, connections, finish } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { routed } from '../topology/routed.ts';
import { allSettled, type Ending, HOW, inState, nameSuffix, retransmitting } from './common.ts';
import { BLAME_OF } from './faults.ts';
import { retransmissionTrial } from './trials.ts';

/** Both ends close at once; the server's FIN arrives here, ours never arrives there. */
function scenario(ending: Ending): Scenario {
  return {
    name: `closing-blackhole${nameSuffix(ending)}`,
    title: 'both ends closed at the same time, and our FIN is never acknowledged',
    expects: { rule: 'closing-blackhole', blame: BLAME_OF.silence, state: 'CLOSING', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    forecastTrial: retransmissionTrial(ending),
    run: async (lab, { family, count = 6 }) => {
      const world = await routed(lab, family);
      const all = await connections(world, count);
      const sockets = clientSide(world, all);
      // Neither FIN gets through at first, so that each end has sent its own before it sees the other's.
      await world.cut?.('both');
      const clientFds = all.map(({ clientFd }) => clientFd);
      const serverFds = all.map(({ serverFd }) => serverFd);
      await finish(world.client, clientFds, HOW[ending]);
      await finish(world.server, serverFds, 'shutdown');
      await world.cut?.('to-server');
      await allSettled(world.client, family, sockets, 'CLOSING', inState(TcpState.CLOSING));
      await world.cut?.('both');
      await allSettled(world.client, family, sockets, 'FIN retransmitted', retransmitting(TcpState.CLOSING));
      return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0, unfreeze: world.restore };
    },
  };
}

export const closingBlackhole: readonly Scenario[] = [scenario('owned'), scenario('orphan')];
