import type { FirstLook, NamespaceSnapshot, Row, TcpInfo } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { CLOSING_WINDOW_SHUT_MS, OPEN_STALL_MS, OPEN_WINDOW_SHUT_MS, STALLED_RETRANSMITS } from './thresholds.ts';

/** The kernel never probes faster than this, whatever the RTO. */
const PROBE_FLOOR_MS = 200;
const BACKOFF_CAP = 10;

/** First pass: retransmitting, or probing without answers, often enough to be no accident. */
export function mayBeBlackhole(table: FirstLook, row: Row): boolean {
  const timer = table.timer(row);
  if (timer !== TimerCode.RETRANSMIT && timer !== TimerCode.ZERO_WINDOW_PROBE) return false;
  return table.timerRetries(row) >= STALLED_RETRANSMITS;
}

/** First pass: a probe timer runs; or retransmissions run, which a window that shrank below what was sent also gives. */
export function mayBeZeroWindow(table: FirstLook, row: Row): boolean {
  const timer = table.timer(row);
  if (timer === TimerCode.ZERO_WINDOW_PROBE) return table.timerRetries(row) < STALLED_RETRANSMITS;
  return timer === TimerCode.RETRANSMIT && table.timerRetries(row) >= STALLED_RETRANSMITS;
}

function isOpen(state: number): boolean {
  return state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT;
}

/** Retransmitting into a shut window while ACKs keep coming: the peer lives and withdrew its window. */
function isWithdrawnWindow(info: TcpInfo): boolean {
  return info.sendWindow === 0 && info.lastAckReceivedMs <= info.rtoMs;
}

/**
 * At least this long has the window been shut: the probe intervals that the backoff count says have passed. The
 * kernel doubles the interval with each probe and clears the count when the window opens.
 */
export function windowShutMs(namespace: NamespaceSnapshot, info: TcpInfo): number {
  const first = Math.max(info.rtoMs, PROBE_FLOOR_MS);
  const longest = namespace.settings.tcp_rto_max_ms ?? 120_000;
  let total = 0;
  for (let probe = 0; probe < info.backoff; probe++) {
    total += Math.min(first * 2 ** Math.min(probe, BACKOFF_CAP), longest);
  }
  return total;
}

/** Second pass: nothing gets through in either direction. Without TCP_INFO the timers alone decide. */
export function isBlackhole(namespace: NamespaceSnapshot, row: Row): boolean {
  const { table } = namespace;
  if (!mayBeBlackhole(table, row)) return false;
  const info = table.info(row);
  if (!info) return true;
  if (table.timer(row) === TimerCode.RETRANSMIT && isWithdrawnWindow(info)) return false;
  return !isOpen(table.state(row)) || info.lastAckReceivedMs >= OPEN_STALL_MS;
}

/** Second pass: the peer answers and lets nothing in, for long enough that it is no flow control of the moment. */
export function isZeroWindow(namespace: NamespaceSnapshot, row: Row): boolean {
  const { table } = namespace;
  const info = table.info(row);
  if (!info || !mayBeZeroWindow(table, row)) return false;
  if (table.timer(row) === TimerCode.RETRANSMIT) return isWithdrawnWindow(info);
  // As many doublings as probes: none of them has been answered yet.
  if (info.backoff <= table.timerRetries(row)) return false;
  const enoughMs = isOpen(table.state(row)) ? OPEN_WINDOW_SHUT_MS : CLOSING_WINDOW_SHUT_MS;
  return windowShutMs(namespace, info) >= enoughMs;
}

/**
 * At least this long has something sent been without an answer: the timeouts that have certainly passed. The time since
 * the last ACK alone would not do, since an idle connection hears nothing either; but it bounds the result.
 */
export function unansweredMs({ table }: NamespaceSnapshot, row: Row, info: TcpInfo): number {
  const count = table.timerRetries(row);
  let passedMs: number;
  if (table.timer(row) === TimerCode.ZERO_WINDOW_PROBE) {
    passedMs = Math.max(info.rtoMs, PROBE_FLOOR_MS) * (2 ** Math.min(count, BACKOFF_CAP) - 2);
  } else {
    // rtoMs is doubled already: of the present timeout R after k doublings, R − R/2^k have passed before it.
    passedMs = info.rtoMs * (1 - 2 ** -Math.min(info.backoff, count));
    if (info.totalRtoRecoveries === 1) passedMs = Math.max(passedMs, info.totalRtoTimeMs ?? 0);
  }
  return Math.min(passedMs, info.lastAckReceivedMs);
}
