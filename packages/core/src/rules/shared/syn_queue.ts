import type { Evidence, RemedyAdvice, RuleContext } from '../../finding.ts';
import type { Forecast } from '../../forecast/forecast.ts';
import { forecastSocket } from '../../forecast/socket.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import type { RowRefs } from '../../socket_refs.ts';
import { forecastInputOf } from './forecast_input.ts';
import { groupForecast } from './group_forecast.ts';
import { setSysctl } from './remedies.ts';
import { thousands } from './words.ts';

/** How many half-open connections listeners keep, and what becomes of the clients that come when there are more. */
export interface SynQueue {
  /** Reached, the next client is answered with a cookie or not at all. */
  limit: number;
  /** What sets the limit. */
  limitedBy: 'listen backlog' | 'somaxconn' | 'tcp_max_syn_backlog';
  /** Undefined: the setting was not read, or the kernel has none. */
  cookies: boolean | undefined;
  backlog: number | undefined;
}

/**
 * The listen backlog holds for half-open connections, too. While tcp_syncookies is 0, hosts without an earlier
 * connection get only three quarters of tcp_max_syn_backlog (tcp_conn_request); otherwise that setting does not count.
 */
export function synQueueOf({ table, settings }: NamespaceSnapshot, listeners: readonly Row[]): SynQueue {
  const { tcp_syncookies, tcp_max_syn_backlog: most, somaxconn } = settings;
  const cookies = tcp_syncookies === undefined ? undefined : tcp_syncookies !== 0;
  const backlog = listeners.length === 0 ? undefined : listeners.reduce((sum, row) => sum + table.sendQueue(row), 0);
  const limit = backlog ?? somaxconn ?? Number.POSITIVE_INFINITY;
  // One more than three quarters: the kernel compares before it adds.
  const ofEach = most === undefined ? Number.POSITIVE_INFINITY : most - (most >> 2) + 1;
  const forUnknown = ofEach * Math.max(1, listeners.length);
  if (cookies === false && forUnknown < limit) {
    return { limit: forUnknown, limitedBy: 'tcp_max_syn_backlog', cookies, backlog };
  }
  return { limit, limitedBy: backlog === undefined ? 'somaxconn' : 'listen backlog', cookies, backlog };
}

/** Whether clients that come now cannot connect. */
export function turnsAway({ limit, cookies }: SynQueue, count: number): boolean {
  return cookies === false && count >= limit;
}

/** A queue that is more than half full is cleared of the oldest after so few repetitions (reqsk_timer_handler). */
const CROWDED_RETRIES = 2;
const CROWDED_LEAST = 8;

/** First to last of the half-open connections. While more than half of the backlog is taken the kernel hurries. */
export function synQueueForecast(
  sockets: RowRefs,
  { backlog }: SynQueue,
  context: Pick<RuleContext, 'forecast' | 'snapshot'>,
): Forecast {
  const usual = groupForecast(sockets, context);
  const retries = sockets.namespace.settings.tcp_synack_retries;
  const isCrowded = backlog !== undefined && sockets.length * 2 > Math.max(CROWDED_LEAST, backlog);
  if (!isCrowded || usual.kind !== 'at' || retries === undefined || retries <= CROWDED_RETRIES) return usual;
  const forecast: RuleContext['forecast'] = ({ namespace: { table, options, readWithinMs, settings }, row }) => {
    const hurried = { ...settings, tcp_synack_retries: CROWDED_RETRIES };
    return forecastSocket(forecastInputOf(context.snapshot, { table, options, readWithinMs, settings: hurried }, row));
  };
  const { earliestMs } = groupForecast(sockets, { forecast });
  const because = `first to last of the group: while over half of the backlog of the listener is half-open, the kernel gives up on the oldest after ${CROWDED_RETRIES} repetitions of the SYN-ACK; on the others when tcp_synack_retries is used up (at another time if the listener set TCP_SYNCNT)`;
  return { ...usual, earliestMs, because };
}

const LOST_OPTIONS = 'those without TCP timestamps lose window scaling and selective acknowledgements';

/** What it means for the clients that come next, as a sentence; nothing where the setting is not known. */
export function synQueueEffect(queue: SynQueue, count: number): string {
  const { limit, limitedBy, cookies } = queue;
  const isFull = count >= limit;
  if (cookies === undefined) return '';
  if (cookies) {
    return isFull
      ? ` The queue is at its limit, and tcp_syncookies is on: new clients still connect, by cookies; ${LOST_OPTIONS}.`
      : ' New clients still connect; with tcp_syncookies on they will even when the queue is full.';
  }
  const whose = limitedBy === 'tcp_max_syn_backlog' ? 'hosts that had no connection before' : 'all new clients';
  return isFull
    ? ` The queue is at its limit and tcp_syncookies is 0: the SYNs of ${whose} are dropped, they cannot connect.`
    : ` New clients still connect; but tcp_syncookies is 0: beside ${thousands(limit)} half-open connections the SYNs of ${whose} are dropped.`;
}

const SOURCES: Record<SynQueue['limitedBy'], string> = {
  'listen backlog': 'sock_diag idiag_wqueue of LISTEN',
  somaxconn: 'sysctl net.core.somaxconn',
  tcp_max_syn_backlog: 'sysctl net.ipv4.tcp_max_syn_backlog',
};

export function synQueueEvidence({ settings }: NamespaceSnapshot, queue: SynQueue, count: number): Evidence[] {
  const { limit, limitedBy, cookies } = queue;
  if (!Number.isFinite(limit)) return [];
  const { tcp_max_syn_backlog: most, tcp_syncookies } = settings;
  const why =
    limitedBy === 'tcp_max_syn_backlog' && most !== undefined
      ? `three quarters of tcp_max_syn_backlog ${thousands(most)}, as tcp_syncookies is 0`
      : limitedBy === 'somaxconn'
        ? 'somaxconn; the listener itself is not visible'
        : 'the listen backlog';
  const held = {
    fact: 'half-open connections and their limit',
    value: `${thousands(count)} of ${thousands(limit)} (${why})`,
    source: SOURCES[limitedBy],
  };
  return cookies === undefined
    ? [held]
    : [held, { fact: 'tcp_syncookies', value: String(tcp_syncookies), source: 'sysctl net.ipv4.tcp_syncookies' }];
}

/** Settings that let new clients in; none while cookies do. */
export function synQueueRemedies(
  namespace: NamespaceSnapshot,
  { limit, limitedBy, cookies, backlog }: SynQueue,
  isFlood: boolean,
): (RemedyAdvice | undefined)[] {
  if (cookies !== false) return [];
  const canRaise = !isFlood && limitedBy === 'tcp_max_syn_backlog' && backlog !== undefined && backlog > limit;
  return [
    setSysctl(
      namespace,
      'tcp_syncookies',
      1,
      'answer with cookies when the queue is full, so that new clients can connect',
      `connections made while the queue is full: ${LOST_OPTIONS}`,
    ),
    canRaise
      ? setSysctl(
          namespace,
          'tcp_max_syn_backlog',
          Math.ceil((backlog * 4) / 3),
          'or admit as many half-open connections as the listen backlog does',
          'memory for each of them; a flood fills a longer queue as well',
        )
      : undefined,
  ];
}
