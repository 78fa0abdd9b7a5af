import { formatDuration } from '../duration.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput, Working } from './input.ts';
import { answerOverdue } from './peer_alive.ts';
import { Because, unknown } from './reasons.ts';
import { type Span, timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';

interface KeepaliveTimes {
  idleMs: number;
  intervalMs: number;
  probes: number;
  userTimeoutMs: number;
  /** Read from the socket, not assumed from the namespace. */
  own: boolean;
}

/** The timer may have been set a moment before or after the last segment. */
const QUIET_SLACK_MS = 1000;

/** The keepalive timer of an owned, quiet connection (tcp_keepalive_timer). */
export function forecastKeepalive(input: ForecastInput, steps: Working): Forecast {
  const times = keepaliveTimes(input);
  if (times === undefined) return unknown(Because.noSettings);
  const { timerExpiresMs: dueMs, timerRetries: sent } = input;
  // The timer is set further ahead than these times allow: the program has its own, longer ones.
  if (dueMs > (sent === 0 ? times.idleMs : times.intervalMs)) return ownTimes(sent, dueMs);
  if (sent > 0 && times.userTimeoutMs === 0 && sent > times.probes) return ownTimes(sent, dueMs);
  const span = deathIfSilent(input, times, steps);
  if (span === undefined) return unknown(Because.noInfo);
  // A program with shorter times of its own may end it at any firing from now on.
  if (!times.own && !showsDefaults(input, times)) span.earliestMs = dueMs;
  if (sent === 0 || (sent === 1 && !isAnswerOverdue(input, times))) {
    return timed('when', times.own ? Because.keepaliveIdle : Because.keepaliveIdleCaveat, [span]);
  }
  return timed('at', times.own ? Because.keepaliveFailing : Because.keepaliveFailingCaveat, [span]);
}

/** Whether the only probe went out so long ago that its answer would be here. The interval has to be known to tell. */
function isAnswerOverdue(input: ForecastInput, times: KeepaliveTimes): boolean {
  const { info, timerExpiresMs: dueMs } = input;
  if (info === undefined || !(times.own || showsDefaults(input, times))) return false;
  return answerOverdue(times.intervalMs - dueMs, info.rttUs);
}

function ownTimes(sent: number, dueMs: number): Forecast {
  if (sent === 0) return { kind: 'when', earliestMs: dueMs, because: Because.keepaliveIdleCaveat };
  return unknown(Because.keepaliveOwnTimes);
}

/** Whether the quiet time and the timer fit the namespace's times: they add up to those if nothing came in between. */
function showsDefaults({ info, timerExpiresMs, timerRetries, timerHz }: ForecastInput, times: KeepaliveTimes): boolean {
  if (info === undefined) return false;
  const quietMs = Math.min(info.lastDataReceivedMs, info.lastAckReceivedMs);
  const expectedMs = times.idleMs + timerRetries * times.intervalMs;
  const lateMs = granuleMs(times.idleMs, timerHz) + timerRetries * granuleMs(times.intervalMs, timerHz);
  const surplusMs = quietMs + timerExpiresMs - expectedMs;
  return surplusMs >= -QUIET_SLACK_MS && surplusMs <= lateMs + QUIET_SLACK_MS;
}

function keepaliveTimes({ settings, socketOptions }: ForecastInput): KeepaliveTimes | undefined {
  if (socketOptions)
    return {
      idleMs: socketOptions.keepaliveIdleSeconds * 1000,
      intervalMs: socketOptions.keepaliveIntervalSeconds * 1000,
      probes: socketOptions.keepaliveProbes,
      userTimeoutMs: socketOptions.userTimeoutMs,
      own: true,
    };
  const { tcp_keepalive_time: idle, tcp_keepalive_intvl: interval, tcp_keepalive_probes: probes } = settings;
  if (idle === undefined || interval === undefined || probes === undefined) return undefined;
  return { idleMs: idle * 1000, intervalMs: interval * 1000, probes, userTimeoutMs: 0, own: false };
}

/** When the socket goes if nothing comes from the peer from now on. */
function deathIfSilent(input: ForecastInput, times: KeepaliveTimes, steps: Working): Span | undefined {
  const { info, timerHz: hz, timerRetries: sent } = input;
  const first = firstFiring(input, times);
  if (first === undefined) return undefined;
  const quietMs = info && Math.min(info.lastDataReceivedMs, info.lastAckReceivedMs);
  const more = firingsBeforeDeath(times, sent, first.earliestMs, quietMs);
  if (more === undefined) return undefined;
  const lateMs = granuleMs(times.intervalMs, hz);
  steps?.push(
    `${sent} probes unanswered; the next firing is in ${formatDuration(first.earliestMs)}, and ${more} more follow, ${formatDuration(times.intervalMs)} apart`,
  );
  return {
    earliestMs: first.earliestMs + more * times.intervalMs,
    latestMs: first.latestMs + more * (times.intervalMs + lateMs),
  };
}

/** The next firing that sends a probe or gives up: one that finds recent traffic only sets the timer again. */
function firstFiring(input: ForecastInput, times: KeepaliveTimes): Span | undefined {
  const { info, timerExpiresMs: dueMs, timerRetries: sent, timerHz: hz } = input;
  const lateMs = granuleMs(Math.max(dueMs, sent === 0 ? times.idleMs : times.intervalMs), hz);
  if (sent > 0) return { earliestMs: dueMs, latestMs: dueMs + lateMs };
  if (info === undefined) return undefined;
  const quietMs = Math.min(info.lastDataReceivedMs, info.lastAckReceivedMs);
  const idleFromNowMs = Math.max(dueMs, times.idleMs - quietMs);
  return { earliestMs: idleFromNowMs, latestMs: idleFromNowMs + 2 * lateMs };
}

/** With TCP_USER_TIMEOUT the quiet time decides, but at least one probe must have gone out. */
function firingsBeforeDeath(
  times: KeepaliveTimes,
  sent: number,
  firstMs: number,
  quietMs: number | undefined,
): number | undefined {
  if (times.userTimeoutMs === 0) return Math.max(0, times.probes - sent);
  if (quietMs === undefined) return undefined;
  const left = Math.max(0, Math.ceil((times.userTimeoutMs - quietMs - firstMs) / times.intervalMs));
  return sent === 0 ? Math.max(1, left) : left;
}
