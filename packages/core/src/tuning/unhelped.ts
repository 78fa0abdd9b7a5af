import type { Finding } from '../finding.ts';

/** Why no setting helps, by the beginning of a rule's name. The first that fits. */
const REASONS: readonly (readonly [prefix: string, because: string])[] = [
  ['close-wait-unaccepted', 'no setting makes a program accept'],
  ['close-wait', 'no setting ends CLOSE_WAIT: no timer runs, the program must close'],
  ['fin-wait-2-held', 'no setting ends a FIN_WAIT2 that a program holds'],
  ['fin-wait-1-immortal', 'no timer runs for it, so the kernel looks at no setting'],
  [
    'conntrack-expires-first',
    'nf_conntrack_tcp_timeout_close_wait of the firewall must exceed the longest half-close that is meant, and what is meant cannot be told from here',
  ],
  ['conntrack-missing', 'no setting brings an entry of connection tracking back'],
  ['syn-sent', 'each program sets its own time limit; with --for client or proxy, tcp_syn_retries is looked at'],
  ['listen-queue-full', 'the queue is as long as the program asked for, which no setting raises'],
];
const ZERO_WINDOW = 'the peer answers, which no limit counts against it: its program must read';

/** Why nothing is proposed for this finding. @param tried settings whose change would not end it sooner */
export function whyUnhelped({ rule }: Finding, tried: readonly string[]): string {
  const reason = REASONS.find(([prefix]) => rule.startsWith(prefix))?.[1];
  if (reason !== undefined) return reason;
  if (rule.endsWith('zero-window')) return ZERO_WINDOW;
  if (tried.length > 0) return `${tried.join(' and ')} would not end it sooner than the forecast says now`;
  return 'no setting governs it';
}
