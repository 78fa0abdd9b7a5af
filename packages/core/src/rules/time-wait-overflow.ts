import type { Finding, Rule } from '../finding.ts';
import { TIME_WAIT_MS } from '../forecast/timewait.ts';
import type { NamespaceSnapshot } from '../snapshot.ts';
import { counterEvidence, counterRise } from './shared/counters.ts';
import { fixProgram, remedyList, setSysctl } from './shared/remedies.ts';
import { counted, thousands } from './shared/words.ts';

const OVERFLOW = 'TcpExt.TCPTimeWaitOverflow';

function findingOf(
  namespace: NamespaceSnapshot,
  now: number | undefined,
  limit: number | undefined,
  rise: number,
): Finding {
  const rose = rise > 0;
  const title = rose
    ? `TIME_WAIT limit reached: ${counted(rise, 'connection')} closed without it while lastack looked`
    : `TIME_WAIT limit reached: ${thousands(now ?? 0)} of ${thousands(limit ?? 0)}`;
  return {
    rule: 'time-wait-overflow',
    blame: 'kernel-setting',
    severity: rose ? 'warning' : 'notice',
    count: rose ? rise : (now ?? 0),
    title,
    cause:
      'The number of TIME_WAIT sockets has reached tcp_max_tw_buckets. Connections that close now skip TIME_WAIT and orphans in FIN_WAIT2 are dropped at once, so late segments meet no socket and get a reset.',
    evidence: [
      ...(now === undefined
        ? []
        : [{ fact: 'TIME_WAIT sockets', value: thousands(now), source: '/proc/net/sockstat TCP tw' }]),
      ...(limit === undefined
        ? []
        : [{ fact: 'tcp_max_tw_buckets', value: thousands(limit), source: 'sysctl net.ipv4.tcp_max_tw_buckets' }]),
      ...counterEvidence(namespace, OVERFLOW, 'connections closed without TIME_WAIT'),
    ],
    forecast: {
      kind: 'when',
      because:
        'it ends when fewer connections close here within 60 s than the limit allows, or when the limit is raised',
    },
    remedies: remedyList(
      fixProgram(
        'use connections again, or let the other end close first: the end that closes first pays the TIME_WAIT',
      ),
      limit === undefined
        ? undefined
        : setSysctl(
            namespace,
            'tcp_max_tw_buckets',
            limitFor(namespace, limit, rise),
            'raise the limit',
            'a few hundred bytes of kernel memory for each TIME_WAIT',
          ),
    ),
    sockets: [],
    namespace,
  };
}

/** Room for what was turned away, should it go on at that rate for as long as a TIME_WAIT lasts; twice as much otherwise. */
function limitFor({ counters }: NamespaceSnapshot, limit: number, rise: number): number {
  const perMs = counters && counters.elapsedMs > 0 ? rise / counters.elapsedMs : 0;
  const wanted = Math.max(limit * 2, limit + perMs * TIME_WAIT_MS);
  const step = 10 ** Math.max(0, Math.floor(Math.log10(wanted)) - 1);
  return Math.ceil(wanted / step) * step;
}

/** The namespace has as many TIME_WAIT sockets as it may have. A count since boot alone is old news and no finding. */
export const timeWaitOverflow: Rule = {
  id: 'time-wait-overflow',
  states: [],
  needs: ['counters'],
  candidate: () => false,
  diagnose(namespace) {
    const rise = counterRise(namespace, OVERFLOW) ?? 0;
    const now = namespace.sockstat['TCP.tw'];
    const limit = namespace.settings.tcp_max_tw_buckets;
    const isFull = now !== undefined && limit !== undefined && now > 0 && now >= limit;
    return rise > 0 || isFull ? [findingOf(namespace, now, limit, rise)] : [];
  },
};
