import type { TcpInfo } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput } from './input.ts';
import { probeIntervalMs } from './probe_run.ts';
import { rtoMaxMs } from './rto_model.ts';
import { timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';
import { userTimeoutMs } from './user_timeout.ts';

/**
 * A timer's remaining time was true when the kernel was asked, which is after the moment from which the forecast
 * counts: by up to `readWithinMs` later than that moment does everything happen.
 */
export function countedFromBefore(forecast: Forecast, readWithinMs: number | undefined): Forecast {
  const { kind, because } = forecast;
  if (!readWithinMs || (kind !== 'at' && kind !== 'when')) return forecast;
  const spans = spansOf(forecast);
  if (spans.length === 0) return forecast;
  const later = spans.map((span) => ({ ...span, latestMs: span.latestMs + readWithinMs }));
  return timed(kind, because, later);
}

/**
 * Timer and TCP_INFO are read one after the other. Where the timer fired in between, the count that came with it is one
 * behind, and it was set again to what TCP_INFO now shows.
 * @returns the socket as it was when TCP_INFO was read; twice where the two do not tell which
 */
export function asOfInfo(input: ForecastInput): readonly ForecastInput[] {
  const { timer, timerRetries, timerExpiresMs, info } = input;
  if (info === undefined) return [input];
  if (timer === TimerCode.ZERO_WINDOW_PROBE) return probesAsOfInfo(input, info);
  if (timer !== TimerCode.RETRANSMIT || info.retransmits !== timerRetries + 1) return [input];
  return [{ ...input, timerRetries: info.retransmits, timerExpiresMs: timerExpiresMs + info.rtoMs }];
}

/** Every probe raises the count, and every answer clears it and sets the timer again. Neither lowers the backoff. */
function probesAsOfInfo(input: ForecastInput, info: TcpInfo): readonly ForecastInput[] {
  const { timerRetries: before, timerExpiresMs: dueMs } = input;
  const intervalMs = lastIntervalMs(input, info);
  if (info.probes === before) {
    // Sent and answered in between leaves the count as it was.
    const mayHaveFired = input.readWithinMs !== undefined && dueMs <= input.readWithinMs;
    return before === 0 && info.backoff > 0 && mayHaveFired
      ? [input, { ...input, timerExpiresMs: intervalMs }]
      : [input];
  }
  const fromMs = info.probes > before ? dueMs : 0;
  return [{ ...input, timerRetries: info.probes, timerExpiresMs: fromMs + intervalMs }];
}

/**
 * What the probe timer was last set to, at least: never beyond TCP_USER_TIMEOUT, which counts from the first probe, and
 * of which late timers have taken some.
 */
function lastIntervalMs(input: ForecastInput, { backoff, rtoMs }: TcpInfo): number {
  const rules = { rtoMs, rtoMaxMs: rtoMaxMs(input) };
  let leftMs = userTimeoutMs(input) ?? Number.POSITIVE_INFINITY;
  for (let before = 1; before < backoff; before++) {
    const intervalMs = probeIntervalMs(before, rules);
    leftMs -= intervalMs + granuleMs(intervalMs, input.timerHz);
  }
  return Math.max(0, Math.min(probeIntervalMs(backoff, rules), leftMs));
}

/** One forecast for both readings of a socket. */
export function either(one: Forecast, other: Forecast): Forecast {
  const { kind, because } = one;
  if (kind !== other.kind || (kind !== 'at' && kind !== 'when')) return one;
  return timed(kind, because, [...spansOf(one), ...spansOf(other)]);
}

function spansOf({ modes, earliestMs, latestMs }: Forecast) {
  if (modes) return modes;
  return earliestMs === undefined || latestMs === undefined ? [] : [{ earliestMs, latestMs }];
}
