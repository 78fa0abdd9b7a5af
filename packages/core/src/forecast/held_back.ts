import { formatDuration } from '../duration.ts';
import type { TcpInfo } from '../snapshot.ts';
import type { ForecastInput, Working } from './input.ts';
import type { Span } from './span.ts';
import { granuleMs } from './timer_wheel.ts';

/**
 * An ICMP net or host unreachable takes back one doubling of the timeout (RFC 6069; tcp_ld_RTO_revert in
 * net/ipv4/tcp_ipv4.c), and retransmits at once where the shorter timeout has already passed. A host sends such errors
 * to itself when the neighbour does not answer ARP; routers send them too. The error itself is not reported, but it
 * leaves fewer doublings than timeouts.
 */
export function isHeldBack(input: Pick<ForecastInput, 'timerRetries'>, info: Pick<TcpInfo, 'backoff'>): boolean {
  return info.backoff < input.timerRetries;
}

/** The timeout without any doubling, milliseconds. */
export function undoubledRtoMs({ rtoMs, backoff }: Pick<TcpInfo, 'rtoMs' | 'backoff'>): number {
  return Math.max(1, rtoMs / 2 ** backoff);
}

/**
 * By how much earlier than the first timeout the clock may have started. A segment that still waits for the answer of
 * the neighbour cannot be sent again, and then the clock counts from its first transmission (tcp_retransmit_skb).
 */
export function earlierStartMs(info: TcpInfo, hz: number | undefined): number {
  const firstMs = undoubledRtoMs(info);
  return firstMs + granuleMs(firstMs, hz);
}

/** A timeout seldom lasts longer than this many average ones where errors come in bunches (measured: 2.2). */
const LONGEST_OF_BUNCH = 3;

/**
 * When the socket ends if the errors go on as before: at the first firing from `limitMs` on, and the firings come no
 * further apart than they did. `elapsed` is the clock now.
 */
export function deathWhileHeldBack(
  input: ForecastInput,
  info: TcpInfo,
  elapsed: Span,
  limitMs: number,
  steps: Working,
): Span {
  const { timerExpiresMs: dueMs, timerHz: hz } = input;
  const apartMs = longestApartMs(input, info, elapsed);
  const lateMs = granuleMs(Math.max(apartMs, dueMs), hz);
  const span = {
    earliestMs: Math.max(soonestFiringMs(info, dueMs), limitMs - elapsed.latestMs),
    latestMs: Math.max(dueMs, limitMs - elapsed.earliestMs + apartMs) + lateMs,
  };
  steps?.push(
    `only ${info.backoff} doublings after ${input.timerRetries} timeouts: errors from the network layer take them back; ` +
      `if they go on, the timer fires at least every ${formatDuration(apartMs)} and gives up from ${formatDuration(limitMs)} on`,
  );
  return span;
}

/** An unanswered neighbour is given up after about this long by default: three requests, one a second (mcast_solicit). */
const NEIGHBOUR_GIVEN_UP_MS = 3300;

/**
 * When the socket may end although no error has come yet, where the next hop is known not to answer: the first error
 * comes when address resolution gives up. `sinceSentMs`: on a clock that started with the first transmission.
 */
export function deathWhenErrorsCome(
  input: ForecastInput,
  info: TcpInfo,
  sinceTimeoutMs: number,
  sinceSentMs: number,
  limitMs: number,
  steps: Working,
): Span {
  const { timerExpiresMs: dueMs, timerHz: hz } = input;
  const apartMs = Math.max(info.rtoMs, NEIGHBOUR_GIVEN_UP_MS);
  steps?.push(
    `the next hop does not answer on the link; errors that say so may keep the timer firing every ${formatDuration(apartMs)} or sooner, until it gives up from ${formatDuration(limitMs)} on`,
  );
  return {
    earliestMs: Math.max(soonestFiringMs(info, dueMs), limitMs - sinceSentMs),
    latestMs: Math.max(dueMs, limitMs - sinceTimeoutMs + apartMs) + granuleMs(Math.max(apartMs, dueMs), hz),
  };
}

/** An error may bring the next firing forward, down to where the undoubled timeout ends. */
function soonestFiringMs(info: TcpInfo, dueMs: number): number {
  return Math.max(0, dueMs - (info.rtoMs - undoubledRtoMs(info)));
}

/**
 * The present timeout bounds the next ones once errors and doublings keep each other in balance. It does not yet after
 * the first error, nor where it is below the average: then many errors come at once, and it grows again in between.
 */
function longestApartMs({ timerRetries, timerHz }: ForecastInput, info: TcpInfo, { earliestMs }: Span): number {
  if (timerRetries - info.backoff === 1) return 2 * info.rtoMs;
  const averageMs = earliestMs / Math.max(1, timerRetries - 1);
  return averageMs <= info.rtoMs + granuleMs(info.rtoMs, timerHz) ? info.rtoMs : LONGEST_OF_BUNCH * averageMs;
}
