import { formatDuration } from '../duration.ts';
import type { TcpInfo } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { elapsedIsExact, elapsedSinceFirstTimeout } from './elapsed.ts';
import type { Forecast } from './forecast.ts';
import { deathWhenErrorsCome, deathWhileHeldBack, earlierStartMs, isHeldBack } from './held_back.ts';
import type { ForecastInput, Working } from './input.ts';
import { Because, never, unknown } from './reasons.ts';
import { type RetransmissionRules, runRetransmissions } from './retransmission_run.ts';
import { modelTimeoutMs, orphanRetries, rtoMaxMs } from './rto_model.ts';
import { type Span, timed } from './span.ts';
import { granuleMs } from './timer_wheel.ts';
import { userTimeoutDeath, userTimeoutMs } from './user_timeout.ts';

/** An answer that has not come after this time (and two round trips) counts as missing. */
const ANSWER_MS = 1000;
const TICK_SLACK_MS = 10;

/** The retransmit timer of an established or closing connection: unacknowledged data, or the FIN, is sent again. */
export function forecastRetransmit(input: ForecastInput, steps: Working): Forecast {
  const { info, timerRetries, kind } = input;
  const inFlight = timerRetries === 0 && mayWait(input.state);
  if (info === undefined) return inFlight ? { kind: 'when', because: Because.inFlight } : unknown(Because.noInfo);
  if (info.sendWindow === 0 && kind !== 'orphan') return shrunkWindow(input, info);
  const rules = rulesFor(input);
  if (rules === undefined) return unknown(Because.noSettings);
  const soon = input.socketOptions ? Because.inFlight : Because.inFlightCaveat;
  if (inFlight) return timed('when', soon, deathTimes(input, info, rules, steps));
  return timed('at', reason(input), deathTimes(input, info, rules, steps));
}

/** Open connections have data on its way all the time. */
function mayWait(state: number): boolean {
  return state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT;
}

function reason(input: ForecastInput): string {
  if (userTimeoutMs(input) !== undefined) return Because.userTimeout;
  const { info } = input;
  if (info !== undefined && isHeldBack(input, info)) return heldBackReason(input);
  if (input.pathUnreachable) return Because.unreachable;
  if (input.kind === 'orphan') return Because.retransmitOrphan;
  return input.socketOptions ? Because.retransmitOwned : Because.retransmitOwnedCaveat;
}

function heldBackReason({ kind, socketOptions }: ForecastInput): string {
  if (kind === 'orphan') return Because.heldBackOrphan;
  return socketOptions ? Because.heldBackOwned : Because.heldBackOwnedCaveat;
}

function rulesFor(input: ForecastInput): RetransmissionRules | undefined {
  const maxMs = rtoMaxMs(input);
  const nextRtoMs = (rtoMs: number) => Math.min(rtoMs * 2, maxMs);
  if (input.kind !== 'orphan') {
    const retries2 = input.settings.tcp_retries2;
    if (retries2 === undefined) return undefined;
    const limit = modelTimeoutMs(retries2, maxMs);
    return { limitMs: () => limit, nextRtoMs };
  }
  const setting = input.settings.tcp_orphan_retries;
  if (setting === undefined) return undefined;
  const limit = modelTimeoutMs(orphanRetries(setting, true), maxMs);
  // An ICMP error leaves an orphan no retries at the maximum. It is not reported, but shortened timeouts show it.
  const hadError = input.info !== undefined && isHeldBack(input, input.info);
  const limitAtMax = modelTimeoutMs(hadError ? 0 : orphanRetries(setting, false), maxMs);
  return { limitMs: (rtoMs) => (rtoMs < maxMs ? limit : limitAtMax), nextRtoMs };
}

function deathTimes(input: ForecastInput, info: TcpInfo, rules: RetransmissionRules, steps: Working): Span[] {
  const { timerExpiresMs: dueMs, timerRetries: retries, timerHz: hz } = input;
  if (retries === 0) return afterFirstTimeout(input, info, rules, steps);
  const maxMs = rtoMaxMs(input);
  const armedMs = Math.max(dueMs, info.rtoMs);
  const elapsed = elapsedSinceFirstTimeout(input, info);
  steps?.push(elapsedText(info, elapsed));
  const limitMs = userTimeoutMs(input);
  const heldBack = isHeldBack(input, info);
  if (limitMs !== undefined) {
    if (heldBack) return [deathWhileHeldBack(input, info, elapsed, limitMs, steps)];
    return [userTimeoutDeath(limitMs, elapsed, dueMs, armedMs, maxMs, hz)];
  }
  const shortened = heldBack || input.pathUnreachable ? [shortenedDeath(input, info, elapsed, rules, steps)] : [];
  const firing = { earliestMs: dueMs, latestMs: dueMs + granuleMs(armedMs, hz) };
  return [...shortened, ...runRetransmissions({ firing, elapsed, retries, rtoMs: info.rtoMs }, rules, hz, steps)];
}

/** The end if errors from the network layer keep the timeout short, as they do already or may soon. */
function shortenedDeath(
  input: ForecastInput,
  info: TcpInfo,
  elapsed: Span,
  rules: RetransmissionRules,
  steps: Working,
): Span {
  const limitMs = rules.limitMs(info.rtoMs);
  const sinceSentMs = elapsed.latestMs + earlierStartMs(info, input.timerHz);
  const span = isHeldBack(input, info)
    ? deathWhileHeldBack(input, info, elapsed, limitMs, steps)
    : deathWhenErrorsCome(input, info, elapsed.earliestMs, sinceSentMs, limitMs, steps);
  steps?.push('without further errors the timeout doubles:');
  return span;
}

/**
 * No timeout yet: the clock starts at the first one. That is the next firing, or the one after it, since the timer
 * may now stand for a tail loss probe, after which the RTO is armed afresh.
 */
function afterFirstTimeout(input: ForecastInput, info: TcpInfo, rules: RetransmissionRules, steps: Working): Span[] {
  const { timerExpiresMs: dueMs, timerHz: hz } = input;
  const firstLatestMs = dueMs + info.rtoMs + 2 * granuleMs(Math.max(dueMs, info.rtoMs), hz);
  steps?.push(
    `the first timeout comes in ${formatDuration(dueMs)} to ${formatDuration(firstLatestMs)}; times from there:`,
  );
  const doubling = deathAfterFirst(input, rules, rules.nextRtoMs(info.rtoMs, 1), steps).map((span) => ({
    earliestMs: span.earliestMs + dueMs,
    latestMs: span.latestMs + firstLatestMs,
  }));
  if (!input.pathUnreachable || userTimeoutMs(input) !== undefined) return doubling;
  const sinceSentMs = Math.max(0, info.rtoMs - dueMs) + granuleMs(info.rtoMs, hz);
  const limitMs = rules.limitMs(info.rtoMs);
  return [...doubling, deathWhenErrorsCome(input, info, -firstLatestMs, sinceSentMs, limitMs, steps)];
}

/** Times from the first timeout on, whose retransmission starts the clock. */
function deathAfterFirst(
  input: ForecastInput,
  rules: RetransmissionRules,
  rtoMs: number,
  steps: Working,
): readonly Span[] {
  const hz = input.timerHz;
  const elapsed = { earliestMs: 0, latestMs: 0 };
  const limitMs = userTimeoutMs(input);
  if (limitMs !== undefined) return [userTimeoutDeath(limitMs, elapsed, 0, rtoMs, rtoMaxMs(input), hz)];
  const firing = { earliestMs: rtoMs, latestMs: rtoMs + granuleMs(rtoMs, hz) };
  return runRetransmissions({ firing, elapsed, retries: 1, rtoMs }, rules, hz, steps);
}

function elapsedText(info: TcpInfo, { earliestMs, latestMs }: Span): string {
  if (elapsedIsExact(info)) return `${formatDuration(info.totalRtoTimeMs as number)} since the first retransmission`;
  return `${formatDuration(earliestMs)} to ${formatDuration(latestMs)} since the first retransmission (added up: this kernel does not tell it for this socket)`;
}

/**
 * A window that the peer closed over data already sent. Such a socket, if owned, is not counted against tcp_retries2:
 * it ends only at a firing when nothing was heard for twice the maximum RTO (net/ipv4/tcp_timer.c, not measured).
 */
function shrunkWindow(input: ForecastInput, info: TcpInfo): Forecast {
  const { timerExpiresMs: dueMs } = input;
  if (answersRetransmissions(info, dueMs)) return never(Because.shrunkAnswered);
  const maxMs = rtoMaxMs(input);
  const earliestMs = Math.max(dueMs, 2 * maxMs - info.lastAckReceivedMs);
  // The clock may count from the first retransmission instead, and the firing after the limit decides.
  const latestMs = 3 * maxMs + dueMs + 2 * granuleMs(maxMs, input.timerHz);
  return timed('at', Because.shrunkSilent, [{ earliestMs, latestMs }]);
}

/** Whether something came in since the last firing; right after a firing, since the one before it. */
function answersRetransmissions(info: TcpInfo, dueMs: number): boolean {
  const sinceFiringMs = Math.max(0, info.rtoMs - dueMs);
  const answerDueMs = Math.max(ANSWER_MS, (2 * info.rttUs) / 1000);
  return info.lastAckReceivedMs <= sinceFiringMs + (sinceFiringMs < answerDueMs ? info.rtoMs / 2 : 0) + TICK_SLACK_MS;
}
