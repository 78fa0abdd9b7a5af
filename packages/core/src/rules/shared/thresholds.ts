/**
 * Where "normal" ends, in one place. Every number exists so that a healthy busy host gives no finding: what a
 * connection passes through on its way stays below, what stands still does not.
 */

/** Lost segments are retransmitted once or twice on any network; three timeouts in a row (≥ 1.4 s) are not loss. */
export const STALLED_RETRANSMITS = 3;

/** The timeouts of a SYN are a second or longer: two in a row without any answer are no loss either. */
export const SYN_REPEATS = 2;

/** Roaming clients pause for seconds. An open connection must have heard nothing for this long to be called stalled. */
export const OPEN_STALL_MS = 5_000;

/** An orphan runs down by itself. Alone it is reported only after five timeouts (≥ 6 s) … */
export const LONE_ORPHAN_RETRANSMITS = 5;
/** … but this many at one service are a pattern from the third timeout on. */
export const ORPHANS_TOGETHER = 5;

/** A window that is shut for a moment is flow control doing its work. Closing connections have nothing left to pace. */
export const CLOSING_WINDOW_SHUT_MS = 3_000;
/** Open connections to slow readers shut the window routinely. */
export const OPEN_WINDOW_SHUT_MS = 10_000;

/** Half-closed states are passed through in one round trip; two seconds of silence is not passing through. */
export const HALF_CLOSED_MS = 2_000;

/** The peers of a busy server that closes first are slow now and then; hundreds at once towards one service are not. */
export const FIN_WAIT_2_ORPHANS = 500;

/** A timerless orphan may be caught in the instant between two timers; not after this long without any ACK. */
export const TIMERLESS_MS = 2_000;

/** Fewer half-open connections than this are the tail of ordinary connection setup. */
export const HALF_OPEN = 64;
/** Fewer are not looked at, even where the queue takes no more: a backlog so small is the program's wish. */
export const HALF_OPEN_REFUSED = 8;
/** … and of a larger number they must fill this share of what the listener's backlog admits. */
export const HALF_OPEN_SHARE = 0.5;
/** From this many different sources the SYN-ACKs cannot all have failed on one path: sources are likely forged. */
export const HALF_OPEN_SOURCES = 32;

/** Share of the ephemeral ports that TIME_WAIT towards one destination may take: half is the start of trouble. */
export const PORT_SHARE_NOTICE = 0.5;
export const PORT_SHARE_WARNING = 0.75;
export const PORT_SHARE_CRITICAL = 0.9;

/** The kernel doubles (or quadruples) an orphan's weight when it looks hopeless, so trouble starts at half the limit. */
export const ORPHAN_SHARE = 0.5;

/**
 * A neighbour stays REACHABLE up to 45 s after its last sign of life (1.5 × base_reachable_time). Only a stall longer
 * than that makes REACHABLE mean "answered during the stall".
 */
export const REACHABLE_MEMORY_MS = 45_000;

/** Different addresses that fell silent within this window of each other point to something they share. */
export const TOGETHER_WINDOW_MS = 5_000;
export const TOGETHER_ADDRESSES = 8;

/** From this many sockets on a leak harms now (descriptors, memory, ports); from LEAK_WARNING on it is a pattern. */
export const LEAK_CRITICAL = 1_000;
export const LEAK_WARNING = 10;
/** One socket is a notice until it has stood still this long. */
export const LEAK_WARNING_MS = 60_000;

/** A client that speaks to more services than this is reported by remote port, then as one. */
export const CLIENT_SERVICES = 3;

/** Forecasts are worked out for at most this many sockets of a group; above that for an even sample. */
export const FORECAST_SAMPLE = 1_000;
