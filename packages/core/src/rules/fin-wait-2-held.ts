import { plainAddress } from '../address.ts';
import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { sharedEvidence } from './shared/activity.ts';
import { ageSpan, agesOf, growthEvidence, olderThan, oldestMs } from './shared/ages.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { peerEvidence, peerMustClose, peersOf } from './shared/peers.ts';
import { askPeer, dropSocket, fixProgram, remedyList, restartHolder } from './shared/remedies.ts';
import { place, queueEvidence, refsOf } from './shared/report.ts';
import { leakSeverity } from './shared/severity.ts';
import { HALF_CLOSED_MS } from './shared/thresholds.ts';
import { counted, thousands } from './shared/words.ts';

function keepaliveEvidence({ table, options }: NamespaceSnapshot, rows: readonly Row[]): Evidence[] {
  if (options.size === 0) return [];
  let on = 0;
  let known = 0;
  for (const row of rows) {
    const ofSocket = options.get(table.cookie(row));
    if (!ofSocket) continue;
    known++;
    if (ofSocket.keepalive) on++;
  }
  if (known === 0) return [];
  return [
    {
      fact: 'keepalive switched on, so that a vanished peer would be noticed',
      value: `${thousands(on)} of ${thousands(known)}`,
      source: 'getsockopt SO_KEEPALIVE',
    },
  ];
}

function findingOf(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table } = namespace;
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const peers = peersOf(sockets, context);
  const ages = agesOf(namespace, rows, context);
  const [row] = rows;
  const peer = `${plainAddress(table.remoteAddress(row))} port ${table.remotePort(row)}`;
  return {
    rule: 'fin-wait-2-held',
    blame: 'peer-app',
    severity: leakSeverity(rows.length, oldestMs(ages)),
    count: rows.length,
    title: `${counted(rows.length, 'connection')} in FIN_WAIT2 ${place(group.service)}: the peer has not closed, ${holder.label} keeps waiting`,
    cause:
      'This end has shut down sending, the peer has acknowledged that and has not closed its own side. The program here still holds the descriptor, and then the kernel waits without a time limit.',
    wouldTell: `the peer\u2019s view (ss -tnp at ${peer}): CLOSE_WAIT there means its program must close, no socket there means the host lost the connection`,
    evidence: [
      ...queueEvidence(namespace, rows),
      ...growthEvidence(ages),
      ...keepaliveEvidence(namespace, rows),
      ...sharedEvidence(group),
      ...peerEvidence(peers, context),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      askPeer(`have the program at ${peer} close its end`),
      fixProgram(
        'after shutdown, wait for the peer only for a limited time and then close: the kernel then ends the rest within tcp_fin_timeout',
      ),
      dropSocket(namespace, rows, holder),
      rows.length > 1 ? restartHolder(holder) : undefined,
    ),
    sockets,
    peers,
    age: ageSpan(ages),
    namespace,
  };
}

/** Shut down for sending and still held: the one kind of FIN_WAIT2 that nothing ends. */
export const finWait2Held: Rule = {
  id: 'fin-wait-2-held',
  states: [TcpState.FIN_WAIT2],
  needs: ['info', 'owners', 'options'],
  candidate: ({ table }, row) => table.kind(row) === 'full',
  diagnose(namespace, rows, context) {
    const old = olderThan(HALF_CLOSED_MS, namespace, rows, context);
    const held = old.filter((row) => !peerMustClose({ namespace, row }, context));
    return groupRows(namespace, held, context).map((group) => findingOf(group, namespace, context));
  },
};
