import { TcpState } from '../tcp/states.ts';
import { blackholeRule } from './shared/blackhole.ts';

/** Data of an open connection is retransmitted into nothing. CLOSE_WAIT with data in flight is the same fault. */
export const establishedBlackhole = blackholeRule({
  id: 'established-blackhole',
  states: [TcpState.ESTABLISHED, TcpState.CLOSE_WAIT],
  sent: 'the data',
});
