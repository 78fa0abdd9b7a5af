import type { AgeBounds } from '../finding.ts';
import type { TcpInfo } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { elapsedIsExact, elapsedSinceFirstTimeout } from './elapsed.ts';
import type { ForecastInput } from './input.ts';
import { requestTimeoutMs } from './request.ts';
import { rtoMaxMs } from './rto_model.ts';
import { sinceSyn } from './since_syn.ts';
import { granuleMs, tickMs } from './timer_wheel.ts';
import { TIME_WAIT_MS } from './timewait.ts';

/**
 * Bounds on the time a socket has spent in its state; undefined where nothing can be said. The kernel does not report
 * this time: it is enclosed between events that must lie before and after the change of state.
 */
export function ageBounds(input: ForecastInput): AgeBounds | undefined {
  const { state, info } = input;
  if (input.timer === TimerCode.TIME_WAIT || state === TcpState.TIME_WAIT) return ageOfMinisocket(input);
  if (input.kind === 'request') return ageOfRequest(input);
  if (info === undefined) return undefined;
  const slackMs = tickMs(input.timerHz);
  switch (state) {
    case TcpState.FIN_WAIT1:
    case TcpState.LAST_ACK:
    case TcpState.CLOSING:
      return ageOfClosing(input, info, slackMs);
    case TcpState.SYN_SENT:
      return ageOfSynSent(input, info);
    default:
      return ageWithoutTimer(state, info, slackMs);
  }
}

/**
 * The same in the states that no timer ends, from their clocks alone: there may be fifty thousand such sockets.
 * @param slackMs a tick of the kernel's timers
 */
export function ageWithoutTimer(state: number, info: TcpInfo, slackMs: number): AgeBounds | undefined {
  switch (state) {
    case TcpState.ESTABLISHED:
      // None of these clocks is older than the connection.
      return bounds(Math.max(info.lastDataSentMs, info.lastDataReceivedMs, info.lastAckReceivedMs), undefined, slackMs);
    case TcpState.CLOSE_WAIT:
      // The FIN came after the last data, and with an ACK; sending and keepalive bring later ACKs.
      return bounds(info.lastAckReceivedMs, info.lastDataReceivedMs, slackMs);
    case TcpState.FIN_WAIT2:
      // The FIN was acknowledged after the last data was sent; later data from the peer brings later ACKs.
      return bounds(info.lastAckReceivedMs, info.lastDataSentMs, slackMs);
    default:
      return undefined;
  }
}

function bounds(fromMs: number, toMs: number | undefined, slackMs: number): AgeBounds {
  if (toMs === undefined) return { fromMs: Math.max(0, fromMs - slackMs) };
  // Contradicting clocks: keep what cannot be wrong, the upper bound.
  return { fromMs: Math.max(0, Math.min(fromMs, toMs) - slackMs), toMs: Math.max(0, toMs) + slackMs };
}

/** A late segment sets the clock back, so that only the time since the last one is known. */
function ageOfMinisocket({ state, timerExpiresMs }: ForecastInput): AgeBounds | undefined {
  if (state !== TcpState.TIME_WAIT) return undefined;
  return { fromMs: Math.max(0, TIME_WAIT_MS - timerExpiresMs) };
}

/**
 * With only the FIN outstanding, the last data was sent before it (repeating a FIN does not count as data), and the
 * timeouts are the FIN's own. With data outstanding every repetition resets that clock, and the timeouts may have
 * begun before the FIN.
 */
function ageOfClosing(input: ForecastInput, info: TcpInfo, slackMs: number): AgeBounds | undefined {
  if (input.sendQueue !== 1) return undefined;
  // CLOSING begins only when the peer's FIN arrives, which may be after the timeouts began.
  const retransmitting =
    input.timer === TimerCode.RETRANSMIT && input.timerRetries > 0 && input.state !== TcpState.CLOSING;
  return bounds(
    retransmitting ? elapsedSinceFirstTimeout(input, info).earliestMs - doubtMs(input, info) : 0,
    info.lastDataSentMs,
    slackMs,
  );
}

function ageOfSynSent(input: ForecastInput, info: TcpInfo): AgeBounds | undefined {
  if (input.timer !== TimerCode.RETRANSMIT) return undefined;
  const { earliestMs, latestMs } = sinceSyn(input, info);
  return bounds(earliestMs - doubtMs(input, info), latestMs, tickMs(input.timerHz));
}

/**
 * Where the time is added up from intervals, the running one may have been cut short by a TCP_USER_TIMEOUT that could
 * not be read: then the passed part of it may be as little as nothing.
 */
function doubtMs(input: ForecastInput, info: TcpInfo): number {
  if (input.timerRetries === 0 || elapsedIsExact(info) || input.socketOptions) return 0;
  return Math.max(0, info.rtoMs - input.timerExpiresMs);
}

function ageOfRequest(input: ForecastInput): AgeBounds | undefined {
  if (input.timer !== TimerCode.RETRANSMIT) return undefined;
  const { timerExpiresMs: dueMs, timerRetries: sent, timerHz: hz } = input;
  const maxMs = rtoMaxMs(input);
  let fromMs = -dueMs;
  let toMs = -dueMs;
  for (let i = 0; i <= sent; i++) {
    const timeoutMs = requestTimeoutMs(i, maxMs);
    fromMs += timeoutMs;
    toMs += timeoutMs + (i < sent || dueMs === 0 ? granuleMs(timeoutMs, hz) : 0);
  }
  return bounds(fromMs, toMs, tickMs(hz));
}
