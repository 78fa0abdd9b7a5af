import type { Finding } from '../finding.ts';

/** The settings that govern what a rule found, by the beginning of its name. The first that fits. */
const CONCERNS: readonly (readonly [prefix: string, names: readonly string[]])[] = [
  ['fin-wait-1-immortal', []],
  ['fin-wait-2-orphans', ['tcp_fin_timeout']],
  ['fin-wait-2', []],
  ['close-wait-unaccepted', ['somaxconn']],
  ['close-wait', []],
  ['syn-sent', ['tcp_syn_retries', 'tcp_syn_linear_timeouts', 'tcp_rto_max_ms']],
  ['syn-recv', ['tcp_synack_retries', 'tcp_syncookies', 'tcp_max_syn_backlog']],
  ['listen-queue-full', ['somaxconn', 'tcp_abort_on_overflow']],
  ['orphan-pressure', ['tcp_max_orphans', 'tcp_mem', 'tcp_orphan_retries']],
  ['time-wait-overflow', ['tcp_max_tw_buckets']],
  ['time-wait-port-pressure', ['ip_local_port_range', 'tcp_tw_reuse', 'tcp_tw_reuse_delay', 'tcp_timestamps']],
  ['conntrack-expires-first', ['nf_conntrack_tcp_timeout_close_wait']],
  ['conntrack-missing', ['nf_conntrack_tcp_loose']],
];
const ORPHANS = ['tcp_orphan_retries', 'tcp_rto_max_ms'];
const HELD = ['tcp_retries2', 'tcp_rto_max_ms'];

/** Short names of the settings that govern how what was found ends; empty where none does. */
export function concernsOf({ rule, sockets }: Finding): readonly string[] {
  const named = CONCERNS.find(([prefix]) => rule.startsWith(prefix))?.[1];
  if (named !== undefined) return named;
  return sockets.some(({ namespace: { table }, row }) => table.kind(row) === 'orphan') ? ORPHANS : HELD;
}
