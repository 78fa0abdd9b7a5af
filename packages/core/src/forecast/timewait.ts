import type { Forecast } from './forecast.ts';
import type { ForecastInput } from './input.ts';
import { Because } from './reasons.ts';
import { timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';

/** TCP_TIMEWAIT_LEN, a constant of the kernel. */
export const TIME_WAIT_MS = 60_000;

/** TIME_WAIT: the time shown, and one granule of a timer armed 60 s ahead. */
export function forecastTimeWait({ timerExpiresMs: dueMs, timerHz }: ForecastInput): Forecast {
  return timed('at', Because.timeWait, [{ earliestMs: dueMs, latestMs: dueMs + granuleMs(TIME_WAIT_MS, timerHz) }]);
}
