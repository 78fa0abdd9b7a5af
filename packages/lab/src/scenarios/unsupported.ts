import { UnsupportedScenario } from '../error.ts';
import { BOTH_FAMILIES, type Expectation, type Scenario } from '../scenario.ts';

function unsupported(name: string, title: string, expects: Expectation, because: string): Scenario {
  return {
    name,
    title,
    expects,
    families: BOTH_FAMILIES,
    unsupported: because,
    run: async () => {
      throw new UnsupportedScenario(`${name} cannot be made: ${because}`);
    },
  };
}

export const notMakeable: readonly Scenario[] = [
  unsupported(
    'fin-wait-1-immortal',
    'an orphan without any timer: nothing will ever end it',
    { rule: 'fin-wait-1-immortal', blame: ['kernel-setting'], state: 'FIN_WAIT1', forecastKind: 'never' },
    'it takes either a kernel whose SOCK_DESTROY empties an orphan without closing it (before Linux 6.11), where the ' +
      'socket would outlive the lab until the next boot, or an in-kernel user of TCP such as ksmbd or NFS; ' +
      'it is shown on a recorded socket instead',
  ),
  unsupported(
    'orphan-pressure',
    'orphans come near tcp_max_orphans',
    { rule: 'orphan-pressure', blame: ['kernel-setting'], state: undefined, forecastKind: undefined },
    'tcp_max_orphans is one limit for the whole host and cannot be lowered in a namespace; reaching or changing it ' +
      'would reset connections of other programs; it is shown on recorded counts instead',
  ),
];
