import { TcpState } from '../tcp/states.ts';
import { zeroWindowRule } from './shared/zero_window.ts';

/** An open connection (or CLOSE_WAIT with data left to send) whose peer has stopped reading. */
export const establishedZeroWindow = zeroWindowRule({
  id: 'established-zero-window',
  states: [TcpState.ESTABLISHED, TcpState.CLOSE_WAIT],
  consequence: 'what this end has written stays in its queue',
  isOpen: true,
});
