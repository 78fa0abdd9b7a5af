import { TcpState } from '../tcp/states.ts';
import { blackholeRule } from './shared/blackhole.ts';

/** Both ends closed at the same time; the peer's FIN came, the acknowledgement of ours does not. */
export const closingBlackhole = blackholeRule({
  id: 'closing-blackhole',
  states: [TcpState.CLOSING],
  sent: 'the FIN of a simultaneous close',
});
