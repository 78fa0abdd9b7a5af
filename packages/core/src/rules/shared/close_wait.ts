import type { Finding, RemedyAdvice, Rule, RuleContext } from '../../finding.ts';
import type { FirstLook, NamespaceSnapshot } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { activityEvidence, sharedEvidence, whatWaits } from './activity.ts';
import { ageSpan, agesOf, growthEvidence, olderThan, oldestMs } from './ages.ts';
import { type Group, groupRows } from './group.ts';
import { groupForecast } from './group_forecast.ts';
import { peerEvidence, peersOf } from './peers.ts';
import { dropSocket, fixProgram, remedyList, restartHolder } from './remedies.ts';
import { place, queueEvidence, refsOf } from './report.ts';
import { leakSeverity } from './severity.ts';
import { mayBeBlackhole } from './stalls.ts';
import { HALF_CLOSED_MS } from './thresholds.ts';
import { counted } from './words.ts';

interface CloseWaitTexts {
  id: string;
  /** Which receive queues (bytes, the FIN included) belong to this rule. */
  matches: (receiveQueue: number) => boolean;
  /** Completes "node (pid 812) …": what the program does not do. */
  failsTo: string;
  /** What the receive queue shows, as a sentence. */
  cause: string;
  /** What to change in the program. */
  fix: string;
}

/** Waiting for the program, not for the network: connections that retransmit or probe belong to other rules. */
export function waitsForProgram(table: FirstLook, row: number): boolean {
  return table.timer(row) !== TimerCode.ZERO_WINDOW_PROBE && !mayBeBlackhole(table, row);
}

/** What is certain about who waits for these descriptors; nothing where it is not. */
export function waitingSentence(group: Group, namespace: NamespaceSnapshot, context: RuleContext): string {
  switch (whatWaits(group, namespace, context)) {
    case 'nothing':
      return ' Neither a thread nor an epoll set of the program waits for these descriptors.';
    case 'epoll':
      return ' An epoll set watches them all, so the program has a loop that could notice; an edge-triggered or one-shot event is told only once.';
    default:
      return '';
  }
}

function remediesFor(group: Group, namespace: NamespaceSnapshot, fix: string): RemedyAdvice[] {
  return remedyList(fixProgram(fix), dropSocket(namespace, group.rows, group.holder), restartHolder(group.holder));
}

function findingOf(group: Group, texts: CloseWaitTexts, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const peers = peersOf(sockets, context);
  const ages = agesOf(namespace, rows, context);
  const many = counted(rows.length, 'connection');
  return {
    rule: texts.id,
    blame: 'local-app',
    severity: leakSeverity(rows.length, oldestMs(ages)),
    count: rows.length,
    title: `${many} in CLOSE_WAIT ${place(group.service)}: ${holder.label} ${texts.failsTo}`,
    cause: `${texts.cause}${waitingSentence(group, namespace, context)}`,
    evidence: [
      ...queueEvidence(namespace, rows),
      ...growthEvidence(ages),
      ...activityEvidence(group, namespace, context),
      ...sharedEvidence(group),
      ...peerEvidence(peers, context),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remediesFor(group, namespace, texts.fix),
    sockets,
    peers,
    age: ageSpan(ages),
    namespace,
  };
}

/** A rule for accepted (or connected) sockets whose peer has closed: the receive queue tells what the program missed. */
export function closeWaitRule(texts: CloseWaitTexts): Rule {
  return {
    id: texts.id,
    states: [TcpState.CLOSE_WAIT],
    needs: ['info', 'owners', 'activity', 'options'],
    candidate: ({ table }, row) =>
      table.kind(row) === 'full' && texts.matches(table.receiveQueue(row)) && waitsForProgram(table, row),
    diagnose(namespace, rows, context) {
      const held = olderThan(HALF_CLOSED_MS, namespace, rows, context);
      return groupRows(namespace, held, context).map((group) => findingOf(group, texts, namespace, context));
    },
  };
}
