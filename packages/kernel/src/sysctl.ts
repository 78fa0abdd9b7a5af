import { readdirSync } from 'node:fs';
import type { Settings } from '@lastack/core';
import { errorCode } from './procfs/errors.ts';
import { parseNumber, readText } from './procfs/text.ts';

/** Files of /proc/sys/net/ipv4 that hold one number each. */
const IPV4_NAMES: readonly string[] = [
  'ip_unprivileged_port_start',
  'tcp_abort_on_overflow',
  'tcp_challenge_ack_limit',
  'tcp_fin_timeout',
  'tcp_invalid_ratelimit',
  'tcp_keepalive_intvl',
  'tcp_keepalive_probes',
  'tcp_keepalive_time',
  'tcp_max_orphans',
  'tcp_max_syn_backlog',
  'tcp_max_tw_buckets',
  'tcp_migrate_req',
  'tcp_orphan_retries',
  'tcp_retries1',
  'tcp_retries2',
  'tcp_rfc1337',
  'tcp_rto_max_ms',
  'tcp_rto_min_us',
  'tcp_syn_linear_timeouts',
  'tcp_syn_retries',
  'tcp_synack_retries',
  'tcp_syncookies',
  'tcp_timestamps',
  'tcp_tw_recycle',
  'tcp_tw_reuse',
  'tcp_tw_reuse_delay',
];

/** Files that hold several numbers: each gets its own short name. */
const IPV4_TUPLES: Readonly<Record<string, readonly string[]>> = {
  ip_local_port_range: ['ip_local_port_range_low', 'ip_local_port_range_high'],
  tcp_mem: ['tcp_mem_low', 'tcp_mem_pressure', 'tcp_mem_high'],
};

const CONNTRACK_PREFIX = 'nf_conntrack_tcp_';

export interface SettingsQuery {
  procRoot: string;
}

/**
 * The settings that govern TCP's life cycle, by short name, as the calling thread's network namespace has them now.
 * A name is absent when this kernel has no such file or does not let it be read.
 */
export function readSettings({ procRoot }: SettingsQuery): Settings {
  const settings: Record<string, number> = {};
  const ipv4 = `${procRoot}/sys/net/ipv4`;
  const present = new Set(entriesOf(ipv4));
  for (const name of IPV4_NAMES) if (present.has(name)) put(settings, [name], readText(`${ipv4}/${name}`));
  for (const [file, names] of Object.entries(IPV4_TUPLES)) {
    if (present.has(file)) put(settings, names, readText(`${ipv4}/${file}`));
  }
  put(settings, ['somaxconn'], readText(`${procRoot}/sys/net/core/somaxconn`));
  const netfilter = `${procRoot}/sys/net/netfilter`;
  for (const name of entriesOf(netfilter)) {
    if (name.startsWith(CONNTRACK_PREFIX)) put(settings, [name], readText(`${netfilter}/${name}`));
  }
  return settings;
}

/** First and last port, both included. */
export interface PortRange {
  from: number;
  to: number;
}

/**
 * Ports that are never given out by themselves (net.ipv4.ip_local_reserved_ports), in the calling thread's network
 * namespace; undefined when the list cannot be read.
 */
export function readReservedPorts({ procRoot }: SettingsQuery): PortRange[] | undefined {
  const text = readText(`${procRoot}/sys/net/ipv4/ip_local_reserved_ports`);
  return text === undefined ? undefined : parsePortRanges(text);
}

/** `8080,9000-9010` as the kernel writes it; what is no range is left out. */
export function parsePortRanges(text: string): PortRange[] {
  return text.split(',').flatMap((part) => {
    const [, from, to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    return from === undefined ? [] : [{ from: Number(from), to: Number(to) }];
  });
}

/** Splits one file's text over its names; a text of another shape sets nothing. */
function put(settings: Record<string, number>, names: readonly string[], text: string | undefined): void {
  const words = text?.trim().split(/\s+/) ?? [];
  if (words.length !== names.length) return;
  names.forEach((name, index) => {
    const value = parseNumber(words[index]);
    if (value !== undefined) settings[name] = value;
  });
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}
