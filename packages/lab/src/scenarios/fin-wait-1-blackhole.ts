import { TcpState } from '@lastack/core';
import { clientSide, connections, finish } from '../connection.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { allSettled, type Ending, HOW, nameSuffix, retransmitting } from './common.ts';
import { BLAME_OF, breakWay, type Fault, WORDS_OF, worldFor } from './faults.ts';
import { retransmissionTrial } from './trials.ts';

function scenario(fault: Fault, ending: Ending): Scenario {
  const variant = fault === 'silence' ? '' : `-${fault}`;
  return {
    name: `fin-wait-1-blackhole${variant}${nameSuffix(ending)}`,
    title: `the FIN of ${ending === 'owned' ? 'a held' : 'an orphaned'} socket is never acknowledged: ${WORDS_OF[fault]}`,
    expects: { rule: 'fin-wait-1-blackhole', blame: BLAME_OF[fault], state: 'FIN_WAIT1', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    forecastTrial: retransmissionTrial(ending),
    run: async (lab, { family, count = 6 }) => {
      const world = await worldFor(lab, family, fault);
      const all = await connections(world, count);
      await breakWay(world, fault);
      await finish(
        world.client,
        all.map(({ clientFd }) => clientFd),
        HOW[ending],
      );
      const sockets = clientSide(world, all);
      await allSettled(world.client, family, sockets, 'FIN retransmitted', retransmitting(TcpState.FIN_WAIT1));
      return { observeIn: world.client, scope: 'namespace', sockets, settleMs: 0, unfreeze: world.restore };
    },
  };
}

export const finWait1Blackhole: readonly Scenario[] = (['silence', 'path', 'peer-host'] as const).flatMap((fault) => [
  scenario(fault, 'owned'),
  scenario(fault, 'orphan'),
]);
