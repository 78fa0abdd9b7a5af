import { TcpState } from '../tcp/states.ts';
import { blackholeRule } from './shared/blackhole.ts';

/** The peer closed first, we closed too; our FIN is retransmitted and its last ACK never comes. */
export const lastAckBlackhole = blackholeRule({
  id: 'last-ack-blackhole',
  states: [TcpState.LAST_ACK],
  sent: 'the last FIN',
});
