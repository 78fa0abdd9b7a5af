import type { Settings, SocketOptions, TcpInfo } from '../snapshot.ts';
import type { SocketKind } from '../tcp/kind.ts';

/** What a forecast is made from: one row of a socket table, and what is known about its namespace. */
export interface ForecastInput {
  /** TcpState number. */
  state: number;
  kind: SocketKind;
  /** TimerCode number. */
  timer: number;
  /** Milliseconds; 0 = due, or already late. */
  timerExpiresMs: number;
  /** idiag_retrans: retransmissions for the retransmit timer, unanswered probes for the two others. */
  timerRetries: number;
  /** Bytes (see SocketTable). */
  receiveQueue: number;
  /** Bytes (see SocketTable). */
  sendQueue: number;
  info?: TcpInfo;
  settings: Settings;
  /**
   * The next hop does not answer on the link (neighbour FAILED or INCOMPLETE), and the path is one of IPv4, where such
   * errors shorten timeouts. Undefined: not known.
   */
  pathUnreachable?: boolean;
  /** Undefined where the owner's descriptor could not be read: forecasts then carry a caveat. */
  socketOptions?: SocketOptions;
  /** CONFIG_HZ; undefined = unknown, the widest of the common values is assumed. */
  timerHz?: number;
  /**
   * All of this was read within so many milliseconds after the moment from which the forecast counts. Undefined: at that
   * moment.
   */
  readWithinMs?: number;
}

export interface ForecastOptions {
  /** Fill `steps`. */
  explain?: boolean;
}

/** Receives the working, one line a step; undefined when nobody asked for it. */
export type Working = string[] | undefined;
