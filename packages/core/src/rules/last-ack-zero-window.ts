import { TcpState } from '../tcp/states.ts';
import { zeroWindowRule } from './shared/zero_window.ts';

/** Both ends want to close; data of ours still waits for a window. CLOSING with a shut window is the same fault. */
export const lastAckZeroWindow = zeroWindowRule({
  id: 'last-ack-zero-window',
  states: [TcpState.LAST_ACK, TcpState.CLOSING],
  consequence: 'the rest of the data and the last FIN behind it cannot be delivered',
});
