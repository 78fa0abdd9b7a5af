import type { TcpInfo } from '../snapshot.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput, Working } from './input.ts';
import { Because, unknown } from './reasons.ts';
import { runRetransmissions } from './retransmission_run.ts';
import { INITIAL_RTO_MS, modelTimeoutMs, rtoMaxMs } from './rto_model.ts';
import { linearTimeouts, sinceSyn } from './since_syn.ts';
import { type Span, timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';
import { sooner, userTimeoutDeath, userTimeoutMs } from './user_timeout.ts';

/**
 * An unanswered SYN (or, in a simultaneous open, SYN-ACK of a full socket). Two limits hold, whichever is met first:
 * the count of retransmissions, which the linear ones raise, and the time since the SYN, which they do not.
 * TCP_USER_TIMEOUT takes the place of the second.
 */
export function forecastSyn(input: ForecastInput, steps: Working): Forecast {
  const { info, settings, socketOptions, timerExpiresMs: dueMs, timerHz: hz } = input;
  if (info === undefined) return unknown(Because.noInfo);
  const synRetries = socketOptions?.synCount || settings.tcp_syn_retries;
  if (synRetries === undefined) return unknown(Because.noSettings);
  const because = socketOptions ? Because.synSent : Because.synSentCaveat;
  const limitMs = userTimeoutMs(input);
  if (limitMs === undefined) return timed('at', because, deaths(input, info, synRetries, steps));
  const armedMs = Math.max(dueMs, info.rtoMs);
  const byTime = userTimeoutDeath(limitMs, sinceSyn(input, info), dueMs, armedMs, rtoMaxMs(input), hz);
  // Without the time limit, only the count is left to end it.
  const [byCount] = deaths(input, info, synRetries, steps, Number.POSITIVE_INFINITY);
  return timed('at', because, [sooner(byTime, byCount)]);
}

function deaths(
  input: ForecastInput,
  info: TcpInfo,
  synRetries: number,
  steps: Working,
  limitMs: number = modelTimeoutMs(synRetries, rtoMaxMs(input), INITIAL_RTO_MS),
): Span[] {
  const { timerExpiresMs: dueMs, timerRetries: retries, timerHz: hz } = input;
  const linear = linearTimeouts(input);
  const maxMs = rtoMaxMs(input);
  const rules = {
    limitMs: () => limitMs,
    maxRetries: synRetries + linear,
    nextRtoMs: (rtoMs: number, done: number) => (done <= linear ? rtoMs : Math.min(rtoMs * 2, maxMs)),
  };
  const firing = { earliestMs: dueMs, latestMs: dueMs + granuleMs(Math.max(dueMs, info.rtoMs), hz) };
  const start = { firing, elapsed: sinceSyn(input, info), retries, rtoMs: info.rtoMs };
  return runRetransmissions(start, rules, hz, steps);
}
