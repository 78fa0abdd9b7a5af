import { formatDuration } from '../duration.ts';
import type { SocketOptions } from '../snapshot.ts';
import type { RetuneKey, RetuneWish } from './options.ts';

/** One line of a comparison: `keepalive`, `off`, `5 s, then 2 probes 1 s apart`. */
export interface OptionChange {
  name: string;
  before: string;
  after: string;
}

interface Aspect {
  name: string;
  keys: readonly RetuneKey[];
  text(options: SocketOptions): string;
}

const ASPECTS: readonly Aspect[] = [
  {
    name: 'keepalive',
    keys: ['keepalive', 'keepaliveIdleSeconds', 'keepaliveIntervalSeconds', 'keepaliveProbes'],
    text: (options) => (options.keepalive ? keepaliveText(options) : 'off'),
  },
  {
    name: 'user timeout',
    keys: ['userTimeoutMs'],
    text: ({ userTimeoutMs }) => (userTimeoutMs === 0 ? 'none' : formatDuration(userTimeoutMs)),
  },
  {
    name: 'linger2',
    keys: ['linger2Seconds'],
    text: ({ linger2Seconds }) => (linger2Seconds < 0 ? '-1 (no FIN_WAIT2)' : `${linger2Seconds} s`),
  },
  { name: 'SYN count', keys: ['synCount'], text: ({ synCount }) => String(synCount) },
  {
    name: 'RTO maximum',
    keys: ['rtoMaxMs'],
    text: ({ rtoMaxMs }) => (rtoMaxMs === undefined ? 'not known' : formatDuration(rtoMaxMs)),
  },
];

function keepaliveText(options: SocketOptions): string {
  const { keepaliveIdleSeconds: idle, keepaliveIntervalSeconds: interval, keepaliveProbes: probes } = options;
  return `${idle}/${interval}/${probes}`;
}

/** What changes between two sets of options, in words. */
export function optionChanges(before: SocketOptions, after: SocketOptions): OptionChange[] {
  return ASPECTS.map(({ name, text }) => ({ name, before: text(before), after: text(after) })).filter(
    (change) => change.before !== change.after,
  );
}

/** `keepalive 5/1/3, user timeout 8 s`: what is to be set, without the values of any socket. */
export function wishText(wish: RetuneWish): string {
  return ASPECTS.flatMap(({ name, keys, text }) => {
    if (!keys.some((key) => wish[key] !== undefined)) return [];
    // Of the times alone it is not known whether keepalive is on; they are not set without it.
    const whole = { keepalive: true, ...wish } as SocketOptions;
    return [`${name} ${partlyKnown(text(whole))}`];
  }).join(', ');
}

/** Times that were left as they are have no number. */
function partlyKnown(text: string): string {
  return text.replaceAll('undefined', '–');
}
