import { TcpState } from '@lastack/core';
import { clientSide, connections, finish } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { allSettled, type Ending, HOW, inState, nameSuffix, retransmitting } from './common.ts';
import { BLAME_OF, breakWay, type Fault, WORDS_OF, worldFor } from './faults.ts';
import { retransmissionTrial } from './trials.ts';

function scenario(fault: Fault, ending: Ending): Scenario {
  const variant = fault === 'silence' ? '' : `-${fault}`;
  return {
    name: `last-ack-blackhole${variant}${nameSuffix(ending)}`,
    title: `the peer closed first; our own FIN is never acknowledged: ${WORDS_OF[fault]}`,
    expects: { rule: 'last-ack-blackhole', blame: BLAME_OF[fault], state: 'LAST_ACK', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    forecastTrial: retransmissionTrial(ending),
    run: async (lab, { family, count = 6 }) => {
      const world = await worldFor(lab, family, fault);
      const all = await connections(world, count);
      const sockets = clientSide(world, all);
      const serverFds = all.map(({ serverFd }) => serverFd);
      await finish(world.server, serverFds, 'shutdown');
      await allSettled(world.client, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
      await breakWay(world, fault);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, HOW[ending]);
      await allSettled(world.client, family, sockets, 'FIN retransmitted', retransmitting(TcpState.LAST_ACK));
      return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0, unfreeze: world.restore };
    },
  };
}

export const lastAckBlackhole: readonly Scenario[] = [
  scenario('silence', 'owned'),
  scenario('silence', 'orphan'),
  scenario('path', 'orphan'),
  scenario('peer-host', 'orphan'),
];
