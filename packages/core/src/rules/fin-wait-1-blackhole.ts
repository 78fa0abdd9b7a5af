import { TcpState } from '../tcp/states.ts';
import { blackholeRule } from './shared/blackhole.ts';

/** We closed; our FIN (and data before it) is retransmitted and nothing comes back. */
export const finWait1Blackhole = blackholeRule({
  id: 'fin-wait-1-blackhole',
  states: [TcpState.FIN_WAIT1],
  sent: 'the FIN',
});
