import { formatDuration } from '../duration.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput, Working } from './input.ts';
import { Because, unknown } from './reasons.ts';
import { type Span, timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';
import { TIME_WAIT_MS } from './timewait.ts';

/** TCP_LINGER2 cannot be set higher (TCP_FIN_TIMEOUT_MAX). */
const LINGER2_MAX_MS = 120_000;
/** The minisocket lives at least this many RTOs. */
const MIN_RTOS = 3.5;
const SLACK_MS = 20;

/** An orphan in FIN_WAIT2 that is already a minisocket: its timer is the end. */
export function forecastFinWait2Mini(input: ForecastInput, steps: Working): Forecast {
  const { timerExpiresMs: dueMs, settings } = input;
  const timeoutMs = (settings.tcp_fin_timeout ?? TIME_WAIT_MS / 1000) * 1000;
  const usualMs = timeoutMs > TIME_WAIT_MS ? timeoutMs - TIME_WAIT_MS : timeoutMs;
  // Armed further ahead than the setting says: by TCP_LINGER2, or before the setting was changed.
  const armedMs = dueMs > usualMs ? Math.max(dueMs, TIME_WAIT_MS) : usualMs;
  steps?.push(`the minisocket's timer, armed ${formatDuration(armedMs)} ahead, is due in ${formatDuration(dueMs)}`);
  const latestMs = dueMs + granuleMs(armedMs, input.timerHz);
  return timed('at', Because.finWait2Mini, [{ earliestMs: dueMs, latestMs }]);
}

/**
 * An orphan whose timeout T exceeds 60 s: first a timer of T − 60 s as a full socket, then a minisocket for another
 * T − 60 s. T is the namespace's setting where that fits what the timer shows, else TCP_LINGER2, of which only bounds
 * are known.
 */
export function forecastFinWait2First(input: ForecastInput, steps: Working): Forecast {
  const { info, timerExpiresMs: dueMs, timerHz: hz } = input;
  if (info === undefined) return unknown(Because.noInfo);
  const phase = phaseLength(input, info.lastAckReceivedMs);
  const minimumMs = MIN_RTOS * info.rtoMs;
  const lateMs = granuleMs(phase.latestMs, hz);
  steps?.push(
    `first phase ends in ${formatDuration(dueMs)}; the second takes ${formatDuration(Math.max(phase.earliestMs, minimumMs))} to ${formatDuration(Math.max(phase.latestMs, minimumMs))}`,
  );
  const span = {
    earliestMs: dueMs + Math.max(phase.earliestMs, minimumMs),
    latestMs: dueMs + Math.max(phase.latestMs, minimumMs) + 2 * lateMs,
  };
  return timed('at', Because.finWait2First, [span]);
}

/** T − 60 s, from the remaining time and the time since the peer acknowledged the FIN, which began the phase. */
function phaseLength({ settings, timerExpiresMs: dueMs }: ForecastInput, lastAckReceivedMs: number): Span {
  const bySettingMs = (settings.tcp_fin_timeout ?? 0) * 1000 - TIME_WAIT_MS;
  const longestMs = dueMs + lastAckReceivedMs + SLACK_MS;
  if (bySettingMs > 0 && bySettingMs >= dueMs - SLACK_MS && bySettingMs <= longestMs)
    return { earliestMs: bySettingMs, latestMs: bySettingMs };
  return { earliestMs: dueMs, latestMs: Math.max(dueMs, Math.min(longestMs, LINGER2_MAX_MS - TIME_WAIT_MS)) };
}
