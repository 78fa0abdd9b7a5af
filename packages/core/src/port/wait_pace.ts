import type { Forecast } from '../forecast/forecast.ts';

/** A trial takes microseconds, but for these the port is taken: not more often than that. */
const NEAR_MS = 50;
/** While nothing foretells the end: as soon as a person would notice. */
const BLIND_MS = 250;
/** Far from the forecast time somebody may still clear the socket or end its program. */
const FAR_MS = 1_000;

/**
 * How long to wait before the next trial, given the forecast and the time since it was made: seldom while the end is
 * far, often while it is due.
 */
export function nextTrialMs(until: Forecast | undefined, sinceMs: number): number {
  if (until?.kind !== 'at') return BLIND_MS;
  const leftMs = (until.earliestMs ?? 0) - sinceMs;
  if (leftMs > 0) return Math.max(NEAR_MS, Math.min(FAR_MS, leftMs / 2));
  // Late timers are late by an eighth of their time at most: beyond that the forecast did not come true.
  return sinceMs <= (until.latestMs ?? 0) ? NEAR_MS : BLIND_MS;
}
