import { endpointText } from '../address.ts';
import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { activityEvidence, sharedEvidence } from './shared/activity.ts';
import { counterEvidence } from './shared/counters.ts';
import { type Group, groupRows } from './shared/group.ts';
import { isQueueFull } from './shared/listeners.ts';
import { fixProgram, look, remedyList, restartHolder, setSysctl } from './shared/remedies.ts';
import { refsOf } from './shared/report.ts';
import { counted, thousands } from './shared/words.ts';

/** Clients on this host, in any visible namespace, that repeat their SYN to this port. */
function waitingClients(port: number, context: RuleContext): number {
  let count = 0;
  for (const { table } of context.snapshot.namespaces) {
    for (let row = 0; row < table.count; row++) {
      if (table.state(row) === TcpState.SYN_SENT && table.remotePort(row) === port) count++;
    }
  }
  return count;
}

/** What else the table shows of this port: how many wait, and how many of those have given up already. */
function queueEvidence({ table }: NamespaceSnapshot, rows: readonly Row[], port: number): Evidence[] {
  let left = 0;
  let halfOpen = 0;
  for (let row = 0; row < table.count; row++) {
    if (table.localPort(row) !== port) continue;
    const kind = table.kind(row);
    if (kind === 'unaccepted' && table.state(row) === TcpState.CLOSE_WAIT) left++;
    else if (kind === 'request') halfOpen++;
  }
  const source = 'sock_diag';
  return [
    ...rows.map((row) => ({
      fact: `accept queue at ${endpointText(table.localAddress(row), port)}`,
      value: `${thousands(table.receiveQueue(row))} waiting, limit ${thousands(table.sendQueue(row))}`,
      source: 'sock_diag idiag_rqueue, idiag_wqueue of LISTEN',
    })),
    ...(left > 0 ? [{ fact: 'of those waiting, clients that have closed already', value: left, source }] : []),
    ...(halfOpen > 0 ? [{ fact: 'handshakes that cannot complete (SYN_RECV)', value: halfOpen, source }] : []),
  ];
}

function findingOf(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table, settings } = namespace;
  const { rows, holder, service } = group;
  const waiting = rows.reduce((sum, row) => sum + table.receiveQueue(row), 0);
  const clients = waitingClients(service.port, context);
  const { somaxconn } = settings;
  const isCapped = somaxconn !== undefined && rows.every((row) => table.sendQueue(row) === somaxconn);
  const resets = settings.tcp_abort_on_overflow === 1;
  const clientsSee = resets
    ? 'New clients get no answer and repeat their SYN; those in the middle of a handshake get a reset (tcp_abort_on_overflow is set).'
    : 'New clients get no answer and repeat their SYN, or believe they are connected and wait.';
  return {
    rule: 'listen-queue-full',
    blame: 'local-app',
    severity: 'critical',
    count: waiting,
    title: `Listener :${service.port} is full, ${counted(waiting, 'connection')} waiting: ${holder.label} does not accept fast enough`,
    cause: `Complete connections wait for the program to accept them and their queue is over its limit, so the kernel drops further handshakes. ${clientsSee}`,
    evidence: [
      ...queueEvidence(namespace, rows, service.port),
      ...counterEvidence(
        namespace,
        'TcpExt.ListenOverflows',
        'handshakes dropped at full queues (all listeners of the namespace)',
      ),
      ...counterEvidence(namespace, 'TcpExt.ListenDrops', 'handshakes dropped by listeners for any reason'),
      ...(clients > 0
        ? [{ fact: 'clients on this host in SYN_SENT to this port', value: clients, source: 'sock_diag' }]
        : []),
      ...activityEvidence(group, namespace, context),
      ...sharedEvidence(group),
    ],
    forecast: {
      kind: 'when',
      because:
        'the queue shrinks when the program accepts; a connection leaves it only by accept, by a reset from its client, or with the listener',
    },
    remedies: remedyList(
      look(
        'see what the program does instead of accepting: the threads above, its limit of open descriptors, its worker pool',
      ),
      fixProgram(
        'accept in a loop that nothing else blocks; if bursts are the reason, pass a larger backlog to listen',
      ),
      isCapped
        ? setSysctl(
            namespace,
            'somaxconn',
            Math.max(4_096, somaxconn * 2),
            'allow a longer queue (the listener is at the limit of this setting); the program must listen anew to get it',
            'a longer queue hides a slow program: clients wait longer instead of failing early',
          )
        : undefined,
      restartHolder(holder),
    ),
    sockets: refsOf(namespace, rows),
    namespace,
  };
}

/** More connections wait to be accepted than the backlog allows. */
export const listenQueueFull: Rule = {
  id: 'listen-queue-full',
  states: [TcpState.LISTEN],
  needs: ['owners', 'activity', 'counters'],
  candidate: ({ table }, row) => isQueueFull(table, row),
  diagnose(namespace, rows, context) {
    return groupRows(namespace, rows, context).map((group) => findingOf(group, namespace, context));
  },
};
