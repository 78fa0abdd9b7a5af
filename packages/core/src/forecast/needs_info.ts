import { type SocketKind, TimerCode } from '../tcp/kind.ts';

/** Whether a forecast for such a socket needs TCP_INFO; minisockets and requests have none. */
export function forecastNeedsInfo(_state: number, kind: SocketKind, timer: number): boolean {
  if (kind === 'minisocket' || kind === 'request') return false;
  return timer === TimerCode.RETRANSMIT || timer === TimerCode.KEEPALIVE || timer === TimerCode.ZERO_WINDOW_PROBE;
}
