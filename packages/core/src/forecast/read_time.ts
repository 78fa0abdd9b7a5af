import { TimerCode } from '../tcp/kind.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput } from './input.ts';
import { timed } from './span.ts';

/**
 * A timer's remaining time was true when the kernel was asked, which is after the moment from which the forecast
 * counts: by up to `readWithinMs` later than that moment does everything happen.
 */
export function countedFromBefore(forecast: Forecast, readWithinMs: number | undefined): Forecast {
  const { kind, because, earliestMs, latestMs, modes } = forecast;
  if (!readWithinMs || earliestMs === undefined || latestMs === undefined) return forecast;
  if (kind !== 'at' && kind !== 'when') return forecast;
  const spans = modes ?? [{ earliestMs, latestMs }];
  const later = spans.map((span) => ({ ...span, latestMs: span.latestMs + readWithinMs }));
  return timed(kind, because, later);
}

/**
 * Timer and TCP_INFO are read one after the other. Where the timer fired in between, the count that came with it is one
 * behind, and it was set again to the RTO that TCP_INFO now shows.
 */
export function firedMeanwhile(input: ForecastInput): ForecastInput {
  const { timer, timerRetries, timerExpiresMs, info } = input;
  if (timer !== TimerCode.RETRANSMIT || info?.retransmits !== timerRetries + 1) return input;
  return { ...input, timerRetries: info.retransmits, timerExpiresMs: timerExpiresMs + info.rtoMs };
}
