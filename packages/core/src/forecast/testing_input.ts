import type { SocketOptions, TcpInfo } from '../snapshot.ts';
import { socketKind, TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput } from './input.ts';

/** For tests: a quiet socket's TCP_INFO over a fast path, with an RTO of 204 ms (200 ms and the round trip, in ticks). */
export const QUIET_INFO: TcpInfo = {
  retransmits: 0,
  probes: 0,
  backoff: 0,
  options: 7,
  rtoMs: 204,
  unackedSegments: 0,
  lastDataSentMs: 60_000,
  lastDataReceivedMs: 60_000,
  lastAckReceivedMs: 60_000,
  rttUs: 100,
  rttVarianceUs: 50,
  totalRetransmits: 0,
  sendWindow: 65_160,
  totalRto: 0,
  totalRtoRecoveries: 0,
  totalRtoTimeMs: 0,
};

/** For tests: the options of a plain socket, changed by `changed`. */
export function optionsOf(changed: Partial<SocketOptions> = {}): SocketOptions {
  return {
    userTimeoutMs: 0,
    keepalive: false,
    keepaliveIdleSeconds: 7200,
    keepaliveIntervalSeconds: 75,
    keepaliveProbes: 9,
    linger2Seconds: 60,
    synCount: 6,
    ...changed,
  };
}

interface InputSpec extends Partial<Omit<ForecastInput, 'info'>> {
  owned?: boolean;
  info?: Partial<TcpInfo> | 'missing';
}

/** For tests: an owned, idle, established connection under Linux 6.18 with HZ=250, changed by `spec`. */
export function inputOf({ info, owned = true, ...spec }: InputSpec): ForecastInput {
  const state = spec.state ?? TcpState.ESTABLISHED;
  const timer = spec.timer ?? TimerCode.NONE;
  // The kernel reports the same count twice.
  const probes = timer === TimerCode.ZERO_WINDOW_PROBE ? (spec.timerRetries ?? 0) : 0;
  return {
    state,
    timer,
    kind: socketKind(state, timer, owned ? 1 : 0),
    timerExpiresMs: 0,
    timerRetries: 0,
    receiveQueue: 0,
    sendQueue: 0,
    info: info === 'missing' ? undefined : { ...QUIET_INFO, probes, ...info },
    settings: DEFAULT_SETTINGS,
    timerHz: 250,
    ...spec,
  };
}

/** For tests: whether one of the times of a forecast holds `ms`. */
export function holds(forecast: Forecast, ms: number): boolean {
  const spans = forecast.modes ?? [forecast];
  return spans.some(({ earliestMs, latestMs }) => ms >= (earliestMs ?? Infinity) && ms <= (latestMs ?? -Infinity));
}
