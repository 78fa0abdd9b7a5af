import type { ForecastInput } from './input.ts';
import type { Span } from './span.ts';
import { granuleMs } from './timer_wheel.ts';

/** TCP_USER_TIMEOUT where it is known to be set, milliseconds. */
export function userTimeoutMs(input: ForecastInput): number | undefined {
  return input.socketOptions?.userTimeoutMs || undefined;
}

/**
 * When TCP_USER_TIMEOUT ends a socket whose clock shows `elapsed`. Timers are never set beyond it, so that one fires
 * when it passes; but one that was already set is not shortened. `longestMs` is the longest that a timer may be set.
 */
export function userTimeoutDeath(
  limitMs: number,
  elapsed: Span,
  dueMs: number,
  armedMs: number,
  longestMs: number,
  hz: number | undefined,
): Span {
  const soonestMs = limitMs - elapsed.latestMs;
  const remainingMs = Math.max(0, limitMs - elapsed.earliestMs);
  const lastDelayMs = Math.min(longestMs, Math.max(remainingMs, armedMs));
  return {
    earliestMs: Math.max(dueMs, soonestMs),
    latestMs: Math.max(dueMs, remainingMs) + granuleMs(lastDelayMs, hz),
  };
}

/** The sooner of two ends, of which the second may not exist. */
export function sooner(one: Span, other: Span | undefined): Span {
  if (other === undefined) return one;
  return {
    earliestMs: Math.min(one.earliestMs, other.earliestMs),
    latestMs: Math.min(one.latestMs, other.latestMs),
  };
}
