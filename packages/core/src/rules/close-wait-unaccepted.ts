import { endpointText } from '../address.ts';
import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { activityEvidence } from './shared/activity.ts';
import { ageSpan, agesOf, growthEvidence, olderThan, oldestMs } from './shared/ages.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { listenerIndex, listenersOf } from './shared/listeners.ts';
import { peerEvidence, peersOf } from './shared/peers.ts';
import { fixProgram, look, remedyList, restartHolder } from './shared/remedies.ts';
import { place, queueEvidence, refsOf } from './shared/report.ts';
import { leakSeverity } from './shared/severity.ts';
import { HALF_CLOSED_MS } from './shared/thresholds.ts';
import { counted } from './shared/words.ts';

function queueStateEvidence({ table }: NamespaceSnapshot, listeners: readonly Row[]): Evidence[] {
  return listeners.map((row) => ({
    fact: `accept queue of the listener at ${endpointText(table.localAddress(row), table.localPort(row))}`,
    value: `${table.receiveQueue(row)} waiting, limit ${table.sendQueue(row)}`,
    source: 'sock_diag idiag_rqueue, idiag_wqueue of LISTEN',
  }));
}

function findingOf(
  group: Group,
  listeners: readonly Row[],
  namespace: NamespaceSnapshot,
  context: RuleContext,
): Finding {
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const peers = peersOf(sockets, context);
  const ages = agesOf(namespace, rows, context);
  const who = listeners.length === 0 ? 'the listener, which is gone or out of sight,' : holder.label;
  return {
    rule: 'close-wait-unaccepted',
    blame: 'local-app',
    severity: leakSeverity(rows.length, oldestMs(ages)),
    count: rows.length,
    title: `${counted(rows.length, 'connection')} in CLOSE_WAIT ${place(group.service)}: ${who} has not accepted them`,
    cause:
      'The clients connected, were never accepted, and have closed again. No process has a descriptor for these connections: they wait in the accept queue of their listener.',
    evidence: [
      ...queueStateEvidence(namespace, listeners),
      ...queueEvidence(namespace, rows),
      ...growthEvidence(ages),
      ...activityEvidence({ ...group, rows: listeners }, namespace, context),
      ...peerEvidence(peers, context),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      look('see why the program does not call accept: a stuck thread, no free descriptors, a busy event loop'),
      fixProgram('accept in a thread or loop that nothing else can block, and drop connections whose client has left'),
      restartHolder(holder),
    ),
    sockets,
    peers,
    age: ageSpan(ages),
    namespace,
  };
}

/** Inode 0 in CLOSE_WAIT is no orphan: the connection is complete and still waits to be accepted. */
export const closeWaitUnaccepted: Rule = {
  id: 'close-wait-unaccepted',
  // LISTEN rows are candidates only so that the owners of listeners are looked up.
  states: [TcpState.CLOSE_WAIT, TcpState.LISTEN],
  needs: ['info', 'owners', 'activity'],
  candidate: ({ table }, row) =>
    table.state(row) === TcpState.LISTEN ? table.receiveQueue(row) > 0 : table.kind(row) === 'unaccepted',
  diagnose(namespace, rows, context) {
    const { table } = namespace;
    const listeners = context.memo(namespace, listenerIndex);
    const unaccepted = rows.filter((row) => table.state(row) === TcpState.CLOSE_WAIT);
    const waiting = olderThan(HALF_CLOSED_MS, namespace, unaccepted, context);
    const heldThrough = (row: Row) => listenersOf(table, listeners, row)[0];
    return groupRows(namespace, waiting, context, { heldThrough }).map((group) =>
      findingOf(group, listenersOf(table, listeners, group.rows[0]), namespace, context),
    );
  },
};
