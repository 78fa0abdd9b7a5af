import { TcpState } from '@lastack/core';
import { clientSide, connections } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { allSettled, retransmitting } from './common.ts';
import { BLAME_OF, breakWay, type Fault, WORDS_OF, worldFor } from './faults.ts';
import { retransmissionTrial } from './trials.ts';

/** Open connections pause for seconds without being broken; this with the retransmissions is longer than a pause. */
const LONG_PAUSE_MS = 4_500;

function scenario(fault: Fault): Scenario {
  return {
    name: `established-blackhole${fault === 'silence' ? '' : `-${fault}`}`,
    title: `data on an open connection is never acknowledged: ${WORDS_OF[fault]}`,
    expects: { rule: 'established-blackhole', blame: BLAME_OF[fault], state: 'ESTABLISHED', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    forecastTrial: retransmissionTrial('owned'),
    run: async (lab, { family, count = 6 }) => {
      const world = await worldFor(lab, family, fault);
      const all = await connections(world, count);
      await breakWay(world, fault);
      for (const { clientFd } of all) await world.client.call('send', { fd: clientFd, bytes: 100 });
      const sockets = clientSide(world, all);
      await allSettled(world.client, family, sockets, 'data retransmitted', retransmitting(TcpState.ESTABLISHED));
      return { observeIn: world.client, scope: 'namespace', sockets, settleMs: LONG_PAUSE_MS, unfreeze: world.restore };
    },
  };
}

export const establishedBlackhole: readonly Scenario[] = [scenario('silence'), scenario('path'), scenario('peer-host')];
