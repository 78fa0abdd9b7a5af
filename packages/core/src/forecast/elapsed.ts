import type { TcpInfo } from '../snapshot.ts';
import { earlierStartMs, isHeldBack, undoubledRtoMs } from './held_back.ts';
import type { ForecastInput } from './input.ts';
import { rtoMaxMs } from './rto_model.ts';
import type { Span } from './span.ts';
import { granuleMs, leastLateMs } from './timer_wheel.ts';
import { userTimeoutMs } from './user_timeout.ts';

/** Nothing below rounds finer than this. */
const CLOCK_SLACK_MS = 2;
/** The first one, and those that the first errors bring forward to the same moment. */
const UNTIMED_FIRINGS = 3;

/** Whether the kernel itself tells how long the present row of timeouts lasts (6.7 on, and it is the first row). */
export function elapsedIsExact(info: TcpInfo): boolean {
  return info.totalRtoTimeMs !== undefined && info.totalRtoRecoveries === 1;
}

/**
 * Time since the first retransmission of the present row of timeouts, of which there was at least one. Exact where the
 * kernel tells it; otherwise added up from the intervals that must have passed.
 */
export function elapsedSinceFirstTimeout(input: ForecastInput, info: TcpInfo): Span {
  if (isHeldBack(input, info)) return elapsedWhileHeldBack(input, info);
  if (elapsedIsExact(info)) {
    const exact = info.totalRtoTimeMs as number;
    return { earliestMs: exact - CLOCK_SLACK_MS - readAfterTimerMs(input), latestMs: exact + CLOCK_SLACK_MS };
  }
  const { timerExpiresMs: dueMs, timerRetries: retries, timerHz: hz } = input;
  const before = addIntervals(info, retries, rtoMaxMs(input), hz);
  const runningMs = runningIntervalMs(info.rtoMs, dueMs, before.earliestMs, userTimeoutMs(input));
  const latestMs = before.latestMs + runningMs + (dueMs === 0 ? granuleMs(info.rtoMs, hz) : 0);
  // Several rows of timeouts: their sum bounds the present one.
  const total = info.totalRtoTimeMs === undefined ? latestMs : info.totalRtoTimeMs + CLOCK_SLACK_MS;
  return { earliestMs: Math.min(before.earliestMs + runningMs, total), latestMs: Math.min(latestMs, total) };
}

/** By how much the kernel's clock may have gone on between the reading of the timer and that of TCP_INFO. */
function readAfterTimerMs({ readWithinMs = 0 }: ForecastInput): number {
  return readWithinMs;
}

/** Timeouts that errors kept short do not add up to powers of two. */
function elapsedWhileHeldBack(input: ForecastInput, info: TcpInfo): Span {
  const { timerRetries, timerHz } = input;
  const earlierMs = earlierStartMs(info, timerHz) + CLOCK_SLACK_MS;
  if (elapsedIsExact(info)) {
    const exact = info.totalRtoTimeMs as number;
    return { earliestMs: exact - CLOCK_SLACK_MS - readAfterTimerMs(input), latestMs: exact + earlierMs };
  }
  // Nothing was acknowledged since; the sum over all rows of timeouts bounds this one, too.
  const latestMs = Math.min(info.lastAckReceivedMs, info.totalRtoTimeMs ?? Number.POSITIVE_INFINITY) + earlierMs;
  const least = Math.max(0, timerRetries - UNTIMED_FIRINGS) * undoubledRtoMs(info);
  return { earliestMs: Math.min(least, latestMs), latestMs };
}

/** How much of the running interval has passed: TCP_USER_TIMEOUT cuts the last one short. */
export function runningIntervalMs(rtoMs: number, expiresMs: number, beforeMs: number, limitMs?: number): number {
  const intervalMs = limitMs === undefined ? rtoMs : Math.min(rtoMs, limitMs - beforeMs);
  return Math.max(0, intervalMs - expiresMs);
}

/** The finished intervals between the first and the last timeout. */
function addIntervals(info: TcpInfo, retries: number, maxMs: number, hz: number | undefined): Span {
  const [low, high] = baseRto(info, maxMs);
  let earliestMs = 0;
  let latestMs = 0;
  for (let i = 1; i < retries; i++) {
    const longest = Math.min(high * 2 ** i, maxMs);
    earliestMs += Math.min(low * 2 ** i, maxMs) + leastLateMs(hz);
    latestMs += longest + granuleMs(longest, hz);
  }
  return { earliestMs, latestMs };
}

/** The RTO before the first timeout. Undoing the doublings is exact only until the maximum has cut one of them. */
function baseRto(info: TcpInfo, maxMs: number): [low: number, high: number] {
  const undone = info.rtoMs / 2 ** info.backoff;
  if (info.rtoMs < maxMs) return [undone, undone];
  // The kernel keeps the largest recent variance, of which only a smoothed one is reported: it errs upwards.
  const estimate = info.rttUs / 1000 + Math.max(200, (4 * info.rttVarianceUs) / 1000);
  return [Math.max(undone, estimate * 0.95), Math.max(undone, estimate * 1.25)];
}
