import { TcpState } from '../tcp/states.ts';
import { zeroWindowRule } from './shared/zero_window.ts';

/** We closed with data still queued; the peer's window is shut, so neither the data nor our FIN gets out. */
export const finWait1ZeroWindow = zeroWindowRule({
  id: 'fin-wait-1-zero-window',
  states: [TcpState.FIN_WAIT1],
  consequence: 'the rest of the data and the FIN behind it cannot be delivered',
});
