import { INITIAL_RTO_MS, modelTimeoutMs } from '../forecast/rto_model.ts';
import type { Span } from '../forecast/span.ts';
import { granuleMs } from '../forecast/timer_wheel.ts';
import type { Settings } from '../snapshot.ts';

/**
 * How long states last by the settings alone: the figures `lastack explain` shows. A forecast for one socket needs
 * its own timer and round-trip time as well and is made elsewhere. Milliseconds; undefined when a setting that
 * decides could not be read.
 */

/** The first retransmission interval of a short path. */
const SHORT_RTO_MS = 200;
/** A constant before Linux 6.15 made it a setting. */
const FIXED_RTO_MAX_MS = 120_000;
/** FIN_WAIT2 longer than TIME_WAIT is timed in two phases. */
const TIME_WAIT_SECONDS = 60;
/** What tcp_orphan_retries = 0 stands for. */
const ORPHAN_RETRIES = 8;

function rtoMaxMs(settings: Settings): number {
  return settings.tcp_rto_max_ms ?? FIXED_RTO_MAX_MS;
}

/** A socket some program holds: tcp_retries2. Counted from the first retransmission. */
export function heldMs(settings: Settings): number | undefined {
  const { tcp_retries2: retries } = settings;
  return retries === undefined ? undefined : modelTimeoutMs(retries, rtoMaxMs(settings));
}

/** Time that intervals doubling from `firstMs` take until one at the maximum has run out. */
function untilIntervalIsMaximalMs(firstMs: number, maxMs: number): number {
  let interval = Math.min(firstMs, maxMs);
  let elapsed = interval;
  while (interval < maxMs) {
    interval = Math.min(interval * 2, maxMs);
    elapsed += interval;
  }
  return elapsed;
}

/**
 * A socket nobody holds, counted from the first retransmission. tcp_orphan_retries of 0 acts as 8, but only until the
 * interval has reached its maximum: then the next expiry ends it.
 */
export function orphanMs(settings: Settings): number | undefined {
  const { tcp_orphan_retries: retries } = settings;
  if (retries === undefined) return undefined;
  const maxMs = rtoMaxMs(settings);
  if (retries !== 0) return modelTimeoutMs(retries, maxMs);
  return Math.min(modelTimeoutMs(ORPHAN_RETRIES, maxMs), untilIntervalIsMaximalMs(2 * SHORT_RTO_MS, maxMs));
}

/** An orphan whose peer answers every probe but never opens its window; known for tcp_orphan_retries = 0 only. */
export function orphanZeroWindowMs(settings: Settings): number | undefined {
  return settings.tcp_orphan_retries === 0 ? untilIntervalIsMaximalMs(SHORT_RTO_MS, rtoMaxMs(settings)) : undefined;
}

/** FIN_WAIT2 without owner: T up to 60 s, but 2·(T − 60) above it, for the wait is split into two equal phases. */
export function orphanFinWait2Ms(settings: Settings): number | undefined {
  const { tcp_fin_timeout: timeout } = settings;
  if (timeout === undefined) return undefined;
  return 1000 * (timeout <= TIME_WAIT_SECONDS ? timeout : 2 * (timeout - TIME_WAIT_SECONDS));
}

/**
 * connect() without any answer. The first tcp_syn_linear_timeouts (Linux 6.5) intervals are not doubled; they raise
 * the number of SYNs, not the time limit.
 */
export function synSentMs(settings: Settings): number | undefined {
  const { tcp_syn_retries: retries } = settings;
  if (retries === undefined) return undefined;
  const linear = settings.tcp_syn_linear_timeouts ?? 0;
  const maxMs = rtoMaxMs(settings);
  const limitMs = modelTimeoutMs(retries, maxMs, INITIAL_RTO_MS);
  let interval = INITIAL_RTO_MS;
  let at = INITIAL_RTO_MS;
  for (let sent = 0; sent < retries + linear && !(sent > 0 && at >= limitMs); sent++) {
    if (sent + 1 > linear) interval = Math.min(interval * 2, maxMs);
    at += interval;
  }
  return at;
}

/** A half-open connection whose SYN,ACK is never acknowledged. */
export function synRecvMs(settings: Settings): number | undefined {
  const { tcp_synack_retries: retries } = settings;
  if (retries === undefined) return undefined;
  let total = 0;
  for (let sent = 0; sent <= retries; sent++) total += Math.min(INITIAL_RTO_MS * 2 ** sent, rtoMaxMs(settings));
  return total;
}

/** Silence after which keepalive ends a connection, where the program asked for keepalive and set nothing else. */
export function keepaliveMs(settings: Settings): number | undefined {
  const { tcp_keepalive_time: idle, tcp_keepalive_intvl: interval, tcp_keepalive_probes: probes } = settings;
  if (idle === undefined || interval === undefined || probes === undefined) return undefined;
  return 1000 * (idle + interval * probes);
}

/**
 * A limit of time is only looked at when a retransmission timer expires. From the limit to the expiry after it, with
 * intervals that double on a short path. `hz`: CONFIG_HZ, where it is known.
 */
export function atExpiryAfter(limitMs: number, settings: Settings, hz?: number): Span {
  const intervalMs = Math.min(rtoMaxMs(settings), limitMs + 2 * SHORT_RTO_MS);
  return { earliestMs: limitMs, latestMs: limitMs + intervalMs + granuleMs(intervalMs, hz) + 2 * SHORT_RTO_MS };
}

/** How late several timers may be together whose intervals double, `totalMs` long in all. */
export function doublingLateMs(totalMs: number, hz?: number): number {
  return 2 * granuleMs(totalMs / 2, hz);
}

/** How late FIN_WAIT2 without owner may end: above 60 s two timers, one after the other. */
export function orphanFinWait2LateMs(totalMs: number, hz?: number): number {
  return totalMs <= TIME_WAIT_SECONDS * 1000 ? granuleMs(totalMs, hz) : 2 * granuleMs(totalMs / 2, hz);
}

export function keepaliveLateMs(settings: Settings, hz?: number): number {
  const {
    tcp_keepalive_time: idle = 0,
    tcp_keepalive_intvl: interval = 0,
    tcp_keepalive_probes: probes = 0,
  } = settings;
  return granuleMs(1000 * idle, hz) + probes * granuleMs(1000 * interval, hz);
}
