import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import { counterEvidence, counterRise } from './shared/counters.ts';
import { groupRows } from './shared/group.ts';
import { look, remedyList, setSysctl } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import { ORPHAN_SHARE } from './shared/thresholds.ts';
import { thousands } from './shared/words.ts';

const ABORTS = 'TcpExt.TCPAbortOnMemory';

/** Where the orphans of this namespace come from, most first. */
function sourceEvidence(namespace: NamespaceSnapshot, rows: readonly Row[], context: RuleContext): Evidence[] {
  return groupRows(namespace, rows, context, { ignoreHolder: true })
    .sort((left, right) => right.rows.length - left.rows.length)
    .slice(0, 3)
    .map((group) => ({
      fact: `orphans in ${stateName(group.state)} ${place(group.service)}`,
      value: thousands(group.rows.length),
      source: 'sock_diag',
    }));
}

interface Pressure {
  orphans?: number;
  limit?: number;
  aborts: number;
  isCrowded: boolean;
}

/** tcp_max_orphans and the count are the host's, not the namespace's: judged once, with the first namespace. */
function measure(namespace: NamespaceSnapshot, context: RuleContext): Pressure {
  const orphans = namespace.sockstat['TCP.orphan'];
  const limit = namespace.settings.tcp_max_orphans;
  const isFirst = context.snapshot.namespaces[0] === namespace;
  return {
    orphans,
    limit,
    aborts: counterRise(namespace, ABORTS) ?? 0,
    isCrowded:
      isFirst && orphans !== undefined && limit !== undefined && orphans > 0 && orphans >= limit * ORPHAN_SHARE,
  };
}

function causeOf({ aborts, isCrowded }: Pressure): string {
  const killed = 'The kernel resets orphans early, and what they had left to deliver is lost.';
  if (isCrowded && aborts > 0) return `The host has more orphaned connections than it lets live. ${killed}`;
  if (isCrowded) {
    return 'The host nears the number of orphaned connections it lets live; it counts hopeless ones double or fourfold, and then resets orphans early.';
  }
  return `Connections are being reset because TCP memory or the number of orphans is at its limit. ${killed}`;
}

function findingOf(
  namespace: NamespaceSnapshot,
  pressure: Pressure,
  rows: readonly Row[],
  context: RuleContext,
): Finding {
  const { orphans, limit, aborts, isCrowded } = pressure;
  const title = isCrowded
    ? `${thousands(orphans ?? 0)} orphaned connections on this host, the limit is ${thousands(limit ?? 0)}`
    : `${thousands(aborts)} connections reset for lack of memory or room for orphans while lastack looked`;
  return {
    rule: 'orphan-pressure',
    blame: 'kernel-setting',
    severity: aborts > 0 || (isCrowded && (orphans ?? 0) >= (limit ?? 0)) ? 'critical' : 'warning',
    count: isCrowded ? (orphans ?? 0) : aborts,
    title,
    cause: causeOf(pressure),
    evidence: [
      ...(orphans === undefined
        ? []
        : [{ fact: 'orphans on the whole host', value: thousands(orphans), source: '/proc/net/sockstat TCP orphan' }]),
      ...(limit === undefined
        ? []
        : [
            {
              fact: 'tcp_max_orphans (whole host)',
              value: thousands(limit),
              source: 'sysctl net.ipv4.tcp_max_orphans',
            },
          ]),
      ...(namespace.sockstat['TCP.mem'] === undefined
        ? []
        : [
            {
              fact: 'TCP memory of the whole host, pages',
              value: thousands(namespace.sockstat['TCP.mem']),
              source: '/proc/net/sockstat TCP mem',
            },
          ]),
      ...counterEvidence(namespace, ABORTS, 'connections reset for lack of memory or orphan room'),
      ...sourceEvidence(namespace, rows, context),
    ],
    forecast: { kind: 'when', because: 'it ends when orphans run down faster than programs leave new ones' },
    remedies: remedyList(
      look(
        'see the other findings first: orphans pile up because peers do not answer (FIN_WAIT1) or programs are killed with full queues',
      ),
      limit === undefined || !isCrowded
        ? undefined
        : setSysctl(
            namespace,
            'tcp_max_orphans',
            limit * 2,
            'raise the limit for the whole host',
            'each orphan may hold up to 64 KiB of memory that cannot be swapped',
          ),
      setSysctl(
        namespace,
        'tcp_orphan_retries',
        3,
        'give up sooner on orphans that nobody acknowledges',
        'acts at once on every orphan of the namespace: peers that are slow or briefly away lose the rest of their data',
      ),
    ),
    sockets: refsOf(namespace, rows),
    namespace,
  };
}

/** The host is near the number of orphans, or at the memory, where the kernel starts to reset them. */
export const orphanPressure: Rule = {
  id: 'orphan-pressure',
  states: [TcpState.FIN_WAIT1, TcpState.FIN_WAIT2, TcpState.LAST_ACK, TcpState.CLOSING],
  needs: ['counters'],
  candidate: ({ table }, row) => table.kind(row) === 'orphan',
  diagnose(namespace, rows, context) {
    const pressure = measure(namespace, context);
    if (!pressure.isCrowded && pressure.aborts <= 0) return [];
    return [findingOf(namespace, pressure, rows, context)];
  },
};
