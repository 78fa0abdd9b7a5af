import { formatDuration } from '../duration.ts';
import type { Working } from './input.ts';
import type { Span } from './span.ts';
import { granuleMs, leastLateMs } from './timer_wheel.ts';

/** What ends a row of retransmissions, and how their interval grows. */
export interface RetransmissionRules {
  /** Time since the clock's start from which on a firing ends the socket, given the RTO that has just run out. */
  limitMs(rtoMs: number): number;
  /** A firing after this many retransmissions ends the socket; undefined = only time counts. */
  maxRetries?: number;
  nextRtoMs(rtoMs: number, retries: number): number;
}

export interface RetransmissionStart {
  /** When the timer fires next. */
  firing: Span;
  /** Time on the clock now: since the first retransmission, or since the SYN. */
  elapsed: Span;
  retries: number;
  /** The RTO that is running. */
  rtoMs: number;
}

/** More firings than any setting allows: tcp_retries2 is one byte, as is the sum of the two for a SYN. */
const MAX_FIRINGS = 600;

/**
 * Lets the retransmit timer fire again and again, each time between on time and one granule late, until no course of
 * events is left in which the socket lives. Returns the times of death: usually one span; two when lateness decides
 * whether a firing is the last one.
 */
export function runRetransmissions(
  start: RetransmissionStart,
  rules: RetransmissionRules,
  hz: number | undefined,
  steps: Working,
): Span[] {
  const deaths: Span[] = [];
  let { retries } = start;
  // No kernel reports an RTO of 0, but nothing may loop on one.
  let rtoMs = Math.max(1, start.rtoMs);
  let { earliestMs: from, latestMs: to } = start.firing;
  const { earliestMs: elapsedMin, latestMs: elapsedMax } = start.elapsed;
  for (let firing = 0; firing < MAX_FIRINGS; firing++) {
    const limit = retries >= (rules.maxRetries ?? Number.POSITIVE_INFINITY) ? 0 : rules.limitMs(rtoMs);
    const deathFrom = Math.max(from, limit - elapsedMax);
    if (deathFrom <= to) deaths.push({ earliestMs: deathFrom, latestMs: to });
    const lifeTo = Math.min(to, limit - elapsedMin);
    steps?.push(stepText(from, to, retries, limit, deathFrom <= to, lifeTo > from));
    if (lifeTo <= from) break;
    to = lifeTo;
    retries++;
    rtoMs = rules.nextRtoMs(rtoMs, retries);
    from += rtoMs + leastLateMs(hz);
    to += rtoMs + granuleMs(rtoMs, hz);
  }
  return deaths;
}

function stepText(from: number, to: number, retries: number, limit: number, dies: boolean, lives: boolean): string {
  const verdict = dies ? (lives ? 'gives up or retransmits, by how late the timer is' : 'gives up') : 'retransmits';
  const rule = limit === 0 ? 'the count is used up' : `gives up from ${formatDuration(limit)} on`;
  return `timer fires in ${formatDuration(from)} to ${formatDuration(to)} after ${retries} retransmissions, ${rule}: ${verdict}`;
}
