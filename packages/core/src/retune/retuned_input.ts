import type { ForecastInput } from '../forecast/input.ts';
import type { SocketOptions } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';

/** States in which switching keepalive on starts no timer (tcp_set_keepalive, tcp_keepalive_timer). */
const WITHOUT_KEEPALIVE: ReadonlySet<number> = new Set([
  TcpState.LISTEN,
  TcpState.CLOSE,
  TcpState.BOUND_INACTIVE,
  TcpState.SYN_SENT,
]);

/** The socket as the kernel will have it once its options are `after`: what the forecast of the change is made from. */
export function retunedInput(input: ForecastInput, before: SocketOptions, after: SocketOptions): ForecastInput {
  const retuned = { ...input, socketOptions: after };
  // While another timer runs it hides that of keepalive, which stands back in any case.
  if (WITHOUT_KEEPALIVE.has(input.state)) return retuned;
  if (input.timer !== TimerCode.NONE && input.timer !== TimerCode.KEEPALIVE) return retuned;
  if (!after.keepalive) return { ...retuned, timer: TimerCode.NONE, timerExpiresMs: 0, timerRetries: 0 };
  if (!before.keepalive) {
    return { ...retuned, timer: TimerCode.KEEPALIVE, timerExpiresMs: after.keepaliveIdleSeconds * 1000 };
  }
  if (after.keepaliveIdleSeconds === before.keepaliveIdleSeconds) return retuned;
  return { ...retuned, timerExpiresMs: idleLeftMs(input, after) };
}

/** Setting TCP_KEEPIDLE sets a running timer anew, by how long the peer has been quiet already. */
function idleLeftMs({ info }: ForecastInput, { keepaliveIdleSeconds }: SocketOptions): number {
  const quietMs = info === undefined ? 0 : Math.min(info.lastDataReceivedMs, info.lastAckReceivedMs);
  return Math.max(0, keepaliveIdleSeconds * 1000 - quietMs);
}
