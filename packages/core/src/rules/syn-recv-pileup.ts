import type { Blame, Finding, RemedyAdvice, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { counterEvidence } from './shared/counters.ts';
import { type Group, groupRows } from './shared/group.ts';
import { isQueueFull, listenerIndex, listenersOf } from './shared/listeners.ts';
import { askPeer, fixProgram, look, remedyList, wait } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import {
  type SynQueue,
  synQueueEffect,
  synQueueEvidence,
  synQueueForecast,
  synQueueOf,
  synQueueRemedies,
  turnsAway,
} from './shared/syn_queue.ts';
import { HALF_OPEN, HALF_OPEN_REFUSED, HALF_OPEN_SHARE, HALF_OPEN_SOURCES } from './shared/thresholds.ts';
import { counted, thousands } from './shared/words.ts';

/** What the rows of one service show together. */
interface Pileup {
  count: number;
  queue: SynQueue;
  /** Half-open connections whose SYN-ACK was repeated at least once: a second or more without an answer. */
  unanswered: number;
  sources: number;
  listeners: readonly Row[];
  /** Of the accept queue: no handshake can complete then, with cookies or without. */
  queueFull: boolean;
}

function measure(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Pileup {
  const { table } = namespace;
  const listeners = listenersOf(table, context.memo(namespace, listenerIndex), group.rows[0]);
  return {
    count: group.rows.length,
    queue: synQueueOf(namespace, listeners),
    unanswered: group.rows.filter((row) => table.timerRetries(row) > 0).length,
    sources: new Set(group.rows.map((row) => table.remoteAddress(row))).size,
    listeners,
    queueFull: listeners.some((row) => isQueueFull(table, row)),
  };
}

function isPileup({ count, queue, unanswered, queueFull }: Pileup): boolean {
  const mostWait = unanswered * 2 >= count;
  if (count >= HALF_OPEN_REFUSED && turnsAway(queue, count) && mostWait) return true;
  if (count < HALF_OPEN) return false;
  return queueFull || (count >= queue.limit * HALF_OPEN_SHARE && mostWait);
}

interface Judgement {
  blame: Blame;
  cause: string;
  wouldTell?: string;
}

function judge({ count, queue, queueFull, sources }: Pileup): Judgement {
  if (queueFull) {
    return {
      blame: 'local-app',
      cause:
        'The listener\u2019s accept queue is full, so handshakes cannot complete: the program accepts too slowly or not at all.',
    };
  }
  const effect = synQueueEffect(queue, count);
  if (sources >= HALF_OPEN_SOURCES) {
    return {
      blame: 'nobody',
      cause: `SYNs come from ${thousands(sources)} addresses that do not answer the SYN-ACK: forged sources (a SYN flood or a scan) look like this.${effect}`,
      wouldTell:
        'the addresses: known clients among them mean that SYN-ACKs or their answers get lost on the way; unknown ones all over the world mean a flood',
    };
  }
  return {
    blame: 'peer-host or path',
    cause: `SYNs arrive from a few addresses, but our SYN-ACKs are not answered: they or the answers get lost.${effect}`,
    wouldTell: 'a packet capture at one of these clients: whether the SYN-ACK arrives, and what goes back',
  };
}

function remediesFor(namespace: NamespaceSnapshot, { queue, queueFull, sources }: Pileup): RemedyAdvice[] {
  if (queueFull) return [fixProgram('make the program accept: see the finding on its full queue')];
  const isFlood = sources >= HALF_OPEN_SOURCES;
  return remedyList(
    wait('leave it: each half-open connection ends by itself after its SYN-ACK retries'),
    isFlood ? undefined : askPeer('check filters and asymmetric routes between here and these clients'),
    ...synQueueRemedies(namespace, queue, isFlood),
    isFlood ? look('filter or rate-limit SYNs from these sources before they reach this host') : undefined,
  );
}

function findingOf(group: Group, pileup: Pileup, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { rows } = group;
  const { table } = namespace;
  const sockets = refsOf(namespace, rows);
  const { blame, cause, wouldTell } = judge(pileup);
  return {
    rule: 'syn-recv-pileup',
    blame,
    severity: pileup.queueFull || turnsAway(pileup.queue, pileup.count) ? 'critical' : 'warning',
    count: rows.length,
    title: `${counted(rows.length, 'half-open connection')} in SYN_RECV ${place(group.service)}`,
    cause,
    wouldTell,
    evidence: [
      {
        fact: 'SYN-ACK repeated without an answer',
        value: `${thousands(pileup.unanswered)} of ${thousands(rows.length)}`,
        source: 'sock_diag idiag_retrans',
      },
      { fact: 'different source addresses', value: thousands(pileup.sources), source: 'sock_diag' },
      ...synQueueEvidence(namespace, pileup.queue, pileup.count),
      ...pileup.listeners.map((row) => ({
        fact: 'accept queue of the listener',
        value: `${thousands(table.receiveQueue(row))} waiting, limit ${thousands(table.sendQueue(row))}`,
        source: 'sock_diag idiag_rqueue, idiag_wqueue of LISTEN',
      })),
      ...counterEvidence(namespace, 'TcpExt.TCPReqQFullDrop', 'SYNs dropped because the queue was full'),
      ...counterEvidence(
        namespace,
        'TcpExt.TCPReqQFullDoCookies',
        'SYNs answered with cookies because the queue was full',
      ),
      ...counterEvidence(namespace, 'TcpExt.SyncookiesSent', 'SYN cookies sent'),
      ...counterEvidence(namespace, 'TcpExt.SyncookiesRecv', 'connections made by cookies'),
      ...counterEvidence(namespace, 'TcpExt.ListenDrops', 'SYNs and handshakes dropped by listeners'),
    ],
    forecast: synQueueForecast(sockets, pileup.queue, context),
    remedies: remediesFor(namespace, pileup),
    sockets,
    namespace,
  };
}

/** Handshakes that do not complete, many enough to matter to the listener. */
export const synRecvPileup: Rule = {
  id: 'syn-recv-pileup',
  states: [TcpState.SYN_RECV, TcpState.NEW_SYN_RECV],
  needs: ['counters'],
  candidate: ({ table }, row) => table.kind(row) === 'request',
  diagnose(namespace, rows, context) {
    if (rows.length < HALF_OPEN_REFUSED) return [];
    return groupRows(namespace, rows, context, { ignoreHolder: true }).flatMap((group) => {
      const pileup = measure(group, namespace, context);
      return isPileup(pileup) ? [findingOf(group, pileup, namespace, context)] : [];
    });
  },
};
