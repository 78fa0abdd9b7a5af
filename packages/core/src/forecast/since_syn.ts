import type { TcpInfo } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { elapsedIsExact, runningIntervalMs } from './elapsed.ts';
import type { ForecastInput } from './input.ts';
import { INITIAL_RTO_MS, rtoMaxMs } from './rto_model.ts';
import type { Span } from './span.ts';
import { granuleMs, leastLateMs, tickMs } from './timer_wheel.ts';
import { userTimeoutMs } from './user_timeout.ts';

/** Both clocks count whole milliseconds. */
const CLOCK_SLACK_MS = 1;

/** The clock of an unestablished connection starts with the SYN itself, not with the first retransmission. */
export function sinceSyn(input: ForecastInput, info: TcpInfo): Span {
  const { timerRetries: retries, timerHz: hz } = input;
  const lateMs = granuleMs(INITIAL_RTO_MS, hz);
  if (retries === 0 || !elapsedIsExact(info)) return addIntervals(input, info);
  const sinceFirstMs = info.totalRtoTimeMs as number;
  return {
    earliestMs: sinceFirstMs + INITIAL_RTO_MS - CLOCK_SLACK_MS,
    latestMs: sinceFirstMs + INITIAL_RTO_MS + lateMs,
  };
}

/** The waits that must have passed since the SYN, and the part of the present one. */
function addIntervals(input: ForecastInput, info: TcpInfo): Span {
  const { timerExpiresMs: dueMs, timerRetries: retries, timerHz: hz } = input;
  const linear = linearTimeouts(input);
  const maxMs = rtoMaxMs(input);
  let earliestMs = 0;
  let latestMs = 0;
  for (let done = 0; done < retries; done++) {
    const waitMs = Math.min(INITIAL_RTO_MS * 2 ** Math.max(0, done - linear), maxMs);
    earliestMs += waitMs + leastLateMs(hz);
    latestMs += waitMs + granuleMs(waitMs, hz);
  }
  const runningMs = runningIntervalMs(info.rtoMs, dueMs, earliestMs, userTimeoutMs(input));
  return {
    earliestMs: Math.max(0, earliestMs + runningMs - CLOCK_SLACK_MS),
    latestMs: latestMs + runningMs + (dueMs === 0 ? granuleMs(info.rtoMs, hz) : tickMs(hz)),
  };
}

/** How many retransmissions of a SYN leave the interval as it is. Came with 6.5; before it, every one doubled it. */
export function linearTimeouts({ state, settings }: ForecastInput): number {
  return state === TcpState.SYN_SENT ? (settings.tcp_syn_linear_timeouts ?? 0) : 0;
}
