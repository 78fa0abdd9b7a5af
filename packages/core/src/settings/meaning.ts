import { formatDuration } from '../duration.ts';
import type { Span } from '../forecast/span.ts';
import type { Settings } from '../snapshot.ts';
import {
  atExpiryAfter,
  doublingLateMs,
  heldMs,
  keepaliveLateMs,
  keepaliveMs,
  orphanFinWait2LateMs,
  orphanFinWait2Ms,
  orphanMs,
  synRecvMs,
  synSentMs,
} from '../tcp/nominal.ts';
import { findSetting, settingValue } from './catalogue.ts';
import type { KernelSetting } from './setting.ts';

export interface MeaningOptions {
  /** CONFIG_HZ; undefined = the widest of the common values is assumed. */
  timerHz?: number;
}

type Meaning = (value: number, settings: Settings, hz: number | undefined) => string | undefined;

/**
 * What a setting means on this host, one sentence with its value: `tcp_retries2 = 15: a dead peer is noticed after
 * 15 min 25 s to 17 min 34 s …`. Undefined where the setting is unknown or was not read.
 * @param name as `findSetting` takes it
 */
export function meaningHere(name: string, settings: Settings, { timerHz }: MeaningOptions = {}): string | undefined {
  const setting = findSetting(name);
  const value = setting && settingValue(setting, settings);
  if (setting === undefined || value === undefined) return undefined;
  const meaning =
    MEANINGS[setting.name]?.(Number(value.split(' ')[0]), settings, timerHz) ?? generalMeaning(setting, value);
  return meaning === undefined ? `${setting.name} = ${value}` : `${setting.name} = ${value}: ${meaning}`;
}

/** How long the case lasts that a setting governs, from the settings alone; undefined where it governs no time. */
export function nominalSpan(name: string, settings: Settings, { timerHz: hz }: MeaningOptions = {}): Span | undefined {
  const limited = (ms: number | undefined) => (ms === undefined ? undefined : atExpiryAfter(ms, settings, hz));
  const late = (ms: number | undefined, lateMs: (ms: number) => number) =>
    ms === undefined ? undefined : { earliestMs: ms, latestMs: ms + lateMs(ms) };
  switch (name) {
    case 'tcp_retries2':
      return limited(heldMs(settings));
    case 'tcp_orphan_retries':
      return limited(orphanMs(settings));
    case 'tcp_fin_timeout':
      return late(orphanFinWait2Ms(settings), (ms) => orphanFinWait2LateMs(ms, hz));
    case 'tcp_syn_retries':
      return late(synSentMs(settings), (ms) => doublingLateMs(ms, hz));
    case 'tcp_synack_retries':
      return late(synRecvMs(settings), (ms) => doublingLateMs(ms, hz));
    case 'tcp_keepalive_time':
    case 'tcp_keepalive_intvl':
    case 'tcp_keepalive_probes':
      return late(keepaliveMs(settings), () => keepaliveLateMs(settings, hz));
    default:
      return undefined;
  }
}

/** `6 to 7 s`, `1 min 42 s to 3 min 30 s`. */
export function spanText({ earliestMs, latestMs }: Span): string {
  const [from, to] = [formatDuration(earliestMs), formatDuration(latestMs)];
  return from === to ? from : `${from} to ${to}`;
}

const keepalive: Meaning = (_value, settings, hz) =>
  spanned(
    'tcp_keepalive_time',
    settings,
    hz,
    (span) => `where a program asked for keepalive, a dead peer is noticed after ${span} of silence`,
  );

const SYNCOOKIES = [
  'a full queue of half-open connections drops SYNs',
  'a full queue of half-open connections is answered with cookies',
  'every SYN is answered with a cookie',
];

const MEANINGS: Readonly<Record<string, Meaning>> = {
  tcp_orphan_retries: (value, settings, hz) =>
    spanned('tcp_orphan_retries', settings, hz, (span) => {
      const acts = value === 0 ? 'acts as 8; ' : '';
      return `${acts}an orphan that nobody answers is given up after ${span}`;
    }),
  tcp_retries2: (_value, settings, hz) =>
    spanned(
      'tcp_retries2',
      settings,
      hz,
      (span) => `a dead peer is noticed after ${span} when something was sent to it, never when nothing was`,
    ),
  tcp_rto_max_ms: (value) => `retransmissions and probes are at most ${formatDuration(value)} apart`,
  tcp_rto_min_us: (value) => `the first retransmission comes after ${formatDuration(value / 1000)} at the earliest`,
  tcp_fin_timeout: (_value, settings, hz) =>
    spanned(
      'tcp_fin_timeout',
      settings,
      hz,
      (span) => `an orphan in FIN_WAIT2 is gone after ${span}; TIME_WAIT lasts 60 s whatever this says`,
    ),
  tcp_max_tw_buckets: (value) =>
    value <= 0
      ? 'no connection passes through TIME_WAIT'
      : 'when there are that many TIME_WAIT, the next connections are closed without it',
  tcp_tw_reuse: (value, { tcp_timestamps: timestamps }) => {
    if (timestamps === 0) return 'does nothing, since tcp_timestamps is 0';
    if (value === 0) return 'no connect() takes over a TIME_WAIT';
    return value === 2
      ? 'a connect() may take over a TIME_WAIT on loopback'
      : 'a connect() may take over a TIME_WAIT to any address';
  },
  tcp_tw_reuse_delay: (value) => `no connect() takes over a TIME_WAIT younger than ${formatDuration(value)}`,
  tcp_rfc1337: (value) => (value === 0 ? 'a reset ends TIME_WAIT early' : 'a reset does not end TIME_WAIT'),
  tcp_timestamps: (value) =>
    value === 0 ? 'no timestamps: tcp_tw_reuse does nothing' : 'timestamps are offered to every peer',
  tcp_keepalive_time: keepalive,
  tcp_keepalive_intvl: keepalive,
  tcp_keepalive_probes: keepalive,
  tcp_invalid_ratelimit: (value) =>
    `one connection answers segments that do not fit at most every ${formatDuration(value)}`,
  tcp_challenge_ack_limit: (value) => {
    if (value < 1) return 'challenge ACKs have no limit that could be relied on';
    return value === 2_147_483_647 ? 'challenge ACKs are not limited' : `about ${value} challenge ACKs a second`;
  },
  tcp_max_orphans: (value) => `more than ${value} orphans on the host, and the next are reset`,
  tcp_syn_retries: (_value, settings, hz) =>
    spanned('tcp_syn_retries', settings, hz, (span) => `a connect() without any answer fails after ${span}`),
  tcp_syn_linear_timeouts: (value) => `the first ${value} SYNs are repeated a second apart`,
  tcp_synack_retries: (_value, settings, hz) =>
    spanned(
      'tcp_synack_retries',
      settings,
      hz,
      (span) => `a half-open connection is dropped after ${span}, sooner when the queue is half full`,
    ),
  tcp_abort_on_overflow: (value) =>
    value === 0
      ? 'a client whose handshake ends when the accept queue is full tries again'
      : 'a client whose handshake ends when the accept queue is full is reset',
  tcp_syncookies: (value) => SYNCOOKIES[value],
  somaxconn: (value) => `a listen() gets a queue of at most ${value} connections`,
  ip_local_port_range: (low, { ip_local_port_range_high: high = low }) =>
    `each connect() chooses among ${high - low + 1} ports for its destination`,
};

function spanned(
  name: string,
  settings: Settings,
  timerHz: number | undefined,
  sentence: (span: string) => string,
): string | undefined {
  const span = nominalSpan(name, settings, { timerHz });
  return span && sentence(spanText(span));
}

/** Settings that govern one plain time or a choice are their own explanation. */
function generalMeaning({ unit, governs }: KernelSetting, value: string): string | undefined {
  return unit === 's' ? `${formatDuration(Number(value) * 1000)} is ${governs}` : undefined;
}
