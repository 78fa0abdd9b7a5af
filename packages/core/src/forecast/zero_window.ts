import { formatDuration } from '../duration.ts';
import type { TcpInfo } from '../snapshot.ts';
import type { Forecast } from './forecast.ts';
import type { ForecastInput, Working } from './input.ts';
import { type ProbeAnswers, probesAnswered } from './peer_alive.ts';
import { type ProbeRules, probeIntervalMs, runProbes } from './probe_run.ts';
import { Because, never, unknown } from './reasons.ts';
import { rtoMaxMs } from './rto_model.ts';
import { type Span, timed } from './span.ts';
import { granuleMs, tickMs } from './timer_wheel.ts';
import { sooner, userTimeoutDeath, userTimeoutMs } from './user_timeout.ts';

/** The probe timer: something waits to be sent and the peer's receive window is closed. */
export function forecastZeroWindow(input: ForecastInput, steps: Working): Forecast {
  const { info } = input;
  const { tcp_retries2: retries2, tcp_orphan_retries: orphanRetries } = input.settings;
  if (info === undefined) return unknown(Because.noInfo);
  if (retries2 === undefined || orphanRetries === undefined) return unknown(Because.noSettings);
  const rules: ProbeRules = {
    retries2,
    orphanRetries: input.kind === 'orphan' ? orphanRetries : undefined,
    rtoMs: info.rtoMs,
    rtoMaxMs: rtoMaxMs(input),
  };
  const alive = probesAnswered(input);
  steps?.push(ANSWER_TEXT[alive]);
  const silent = alive === 'answered' ? undefined : death(input, info, rules, false, steps);
  const answered = alive === 'unanswered' ? undefined : death(input, info, rules, true, steps);
  const limitMs = userTimeoutMs(input);
  if (limitMs !== undefined) return byUserTimeout(input, info, rules, limitMs, silent ?? answered, steps);
  return input.kind === 'orphan' ? orphan(alive, silent, answered) : owned(input, alive, silent);
}

const ANSWER_TEXT: Record<ProbeAnswers, string> = {
  answered: 'the last window probe was answered',
  unanswered: 'the last window probe was not answered',
  'cannot-tell': 'whether window probes are answered does not show yet',
};

function owned(input: ForecastInput, alive: ProbeAnswers, silent: Span | undefined): Forecast {
  if (alive === 'answered') return never(Because.windowOwnedAnswered);
  const spans = silent ? [silent] : [];
  if (alive === 'cannot-tell') {
    return timed('when', input.socketOptions ? Because.windowOpens : Because.windowOpensCaveat, spans);
  }
  return timed('at', input.socketOptions ? Because.windowOwnedSilent : Because.windowOwnedSilentCaveat, spans);
}

function orphan(alive: ProbeAnswers, silent: Span | undefined, answered: Span | undefined): Forecast {
  const spans = [silent, answered].filter((span) => span !== undefined);
  if (alive !== 'unanswered' && answered === undefined) {
    return alive === 'answered' ? never(Because.windowOrphanNever) : timed('when', Because.windowOpens, spans);
  }
  return timed('at', Because.windowOrphan, spans);
}

function death(input: ForecastInput, info: TcpInfo, rules: ProbeRules, answered: boolean, steps: Working) {
  const { timerExpiresMs: dueMs, timerHz: hz, timerRetries } = input;
  if (input.kind !== 'orphan' && answered) return undefined;
  const armedMs = Math.max(dueMs, probeIntervalMs(info.backoff, rules));
  const firing = { earliestMs: dueMs, latestMs: dueMs + granuleMs(armedMs, hz) };
  return runProbes({ firing, probes: answered ? 0 : timerRetries, backoff: info.backoff }, rules, answered, hz, steps);
}

/**
 * TCP_USER_TIMEOUT counts from the first probe, answered or not, and no probe timer is set beyond it. The limit on
 * probes still holds, if it is met sooner.
 */
function byUserTimeout(
  input: ForecastInput,
  info: TcpInfo,
  rules: ProbeRules,
  limitMs: number,
  byCount: Span | undefined,
  steps: Working,
): Forecast {
  const { timerExpiresMs: dueMs, timerHz: hz } = input;
  const elapsed = sinceFirstProbe(info, dueMs, rules, limitMs, hz);
  steps?.push(`${formatDuration(elapsed.earliestMs)} to ${formatDuration(elapsed.latestMs)} since the first probe`);
  // Before the first probe the clock does not run yet.
  const endMs = info.backoff === 0 ? dueMs + limitMs : limitMs;
  const armedMs = probeIntervalMs(info.backoff, rules);
  const span = userTimeoutDeath(endMs, elapsed, dueMs, armedMs, rules.rtoMaxMs, hz);
  return timed('at', Because.windowUserTimeout, [sooner(span, byCount)]);
}

/** Time since the window was first probed; once the backoff has reached its cap there is only a lower bound. */
function sinceFirstProbe(
  info: TcpInfo,
  dueMs: number,
  rules: ProbeRules,
  limitMs: number,
  hz: number | undefined,
): Span {
  let earliestMs = 0;
  let latestMs = 0;
  for (let backoff = 1; backoff <= info.backoff; backoff++) {
    const intervalMs = Math.max(0, Math.min(probeIntervalMs(backoff, rules), limitMs - earliestMs));
    const passedMs = backoff === info.backoff ? Math.max(0, intervalMs - dueMs) : intervalMs;
    const late = backoff < info.backoff || dueMs === 0;
    earliestMs += passedMs;
    latestMs += passedMs + (late ? granuleMs(intervalMs, hz) : tickMs(hz));
  }
  const atCap = info.backoff >= rules.retries2;
  return { earliestMs: Math.min(earliestMs, limitMs), latestMs: atCap ? limitMs : Math.min(latestMs, limitMs) };
}
