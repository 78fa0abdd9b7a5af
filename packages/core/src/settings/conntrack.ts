import type { KernelSetting } from './setting.ts';

interface Timeout {
  state: string;
  seconds: number;
  governs: string;
  risk: string;
}

const FORGOTTEN = 'an entry that goes before its connection strands it where the firewall wants a SYN first';
const MORE_ENTRIES = 'long times keep entries of connections that are over';

/** In the order of a connection's life; the names are those of the tracker's states. */
const TIMEOUTS: readonly Timeout[] = [
  { state: 'syn_sent', seconds: 120, governs: 'after a SYN without answer', risk: MORE_ENTRIES },
  { state: 'syn_recv', seconds: 60, governs: 'after a SYN,ACK without answer', risk: MORE_ENTRIES },
  {
    state: 'established',
    seconds: 432_000,
    governs: 'after the last segment of an established connection',
    risk: FORGOTTEN,
  },
  {
    state: 'fin_wait',
    seconds: 120,
    governs: 'after the first FIN, until that is acknowledged or repeated',
    risk: FORGOTTEN,
  },
  {
    state: 'close_wait',
    seconds: 60,
    governs: 'after the last segment of a half-closed one (one FIN sent and acknowledged, the other end still open)',
    risk: `${FORGOTTEN}; 60 s is short for programs that answer late after a half-close`,
  },
  {
    state: 'last_ack',
    seconds: 30,
    governs: 'after the second FIN, for which the first one repeated is taken as well',
    risk: FORGOTTEN,
  },
  { state: 'time_wait', seconds: 120, governs: 'after both FINs are acknowledged', risk: MORE_ENTRIES },
  { state: 'close', seconds: 10, governs: 'after a reset', risk: MORE_ENTRIES },
  {
    state: 'max_retrans',
    seconds: 300,
    governs: 'once nf_conntrack_tcp_max_retrans retransmissions went by unanswered',
    risk: FORGOTTEN,
  },
  {
    state: 'unacknowledged',
    seconds: 300,
    governs: 'while sent data is not acknowledged, until max_retrans applies',
    risk: FORGOTTEN,
  },
];

const COMMON = {
  scope: 'namespace',
  takesEffect: 'newly armed timers',
} as const;

const NO_SOCKET = 'any socket: an entry that goes closes nothing, and a socket that goes removes no entry';

function timeout({ state, seconds, governs, risk }: Timeout): KernelSetting {
  return {
    ...COMMON,
    name: `nf_conntrack_tcp_timeout_${state}`,
    path: `net/netfilter/nf_conntrack_tcp_timeout_${state}`,
    unit: 's',
    kernelDefault: String(seconds),
    range: { least: -8_589_934, most: 8_589_934 },
    sensible: { least: 1, most: 2_000_000 },
    sensibleBecause: 'the kernel takes 0 and negative times as well, and forgets each connection at once then',
    governs: `how long connection tracking remembers a connection ${governs}`,
    doesNotGovern: NO_SOCKET,
    risk,
  };
}

function flag(name: string, kernelDefault: string, governs: string, risk: string, since?: string): KernelSetting {
  return {
    ...COMMON,
    name: `nf_conntrack_tcp_${name}`,
    path: `net/netfilter/nf_conntrack_tcp_${name}`,
    unit: 'switch',
    kernelDefault,
    range: { least: 0, most: 1 },
    sensible: { least: 0, most: 1 },
    ...(since === undefined ? {} : { since }),
    governs,
    doesNotGovern: NO_SOCKET,
    takesEffect: 'at once',
    risk,
  };
}

/** What a firewall or NAT on this host remembers of connections. */
export const CONNTRACK_SETTINGS: readonly KernelSetting[] = [
  ...TIMEOUTS.map(timeout),
  {
    ...COMMON,
    name: 'nf_conntrack_tcp_max_retrans',
    path: 'net/netfilter/nf_conntrack_tcp_max_retrans',
    unit: 'retries',
    kernelDefault: '3',
    range: { least: 0, most: 255 },
    sensible: { least: 0, most: 255 },
    governs: 'after how many unanswered retransmissions nf_conntrack_tcp_timeout_max_retrans applies',
    doesNotGovern: NO_SOCKET,
    takesEffect: 'at once',
    risk: FORGOTTEN,
  },
  flag(
    'loose',
    '1',
    'whether a connection that is not known is picked up in its middle (1) or its segments are invalid (0)',
    'with 0 every connection whose entry was lost is cut',
  ),
  flag(
    'be_liberal',
    '0',
    'whether segments above the window pass (1) or are invalid (0), resets included',
    'with 1 segments pass that fit no window',
  ),
  flag(
    'ignore_invalid_rst',
    '0',
    'whether a reset below what is acknowledged already is invalid (0) or passes (1)',
    'with 1 forged resets pass the firewall',
    '5.14',
  ),
];
