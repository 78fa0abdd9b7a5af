import type { Blame, Finding, RemedyAdvice, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { counterEvidence } from './shared/counters.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { listenerIndex, listenersOf } from './shared/listeners.ts';
import { askPeer, fixProgram, look, remedyList, setSysctl, wait } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import { HALF_OPEN, HALF_OPEN_SHARE, HALF_OPEN_SOURCES } from './shared/thresholds.ts';
import { counted, thousands } from './shared/words.ts';

/** What the rows of one service show together. */
interface Pileup {
  limit: number;
  /** Half-open connections whose SYN-ACK was repeated at least once: a second or more without an answer. */
  unanswered: number;
  sources: number;
  listeners: readonly Row[];
  queueFull: boolean;
}

function measure(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Pileup {
  const { table, settings } = namespace;
  const listeners = listenersOf(table, context.memo(namespace, listenerIndex), group.rows[0]);
  const backlog = listeners.reduce((sum, row) => sum + table.sendQueue(row), 0);
  const synBacklog = settings.tcp_max_syn_backlog ?? Number.POSITIVE_INFINITY;
  return {
    limit: listeners.length === 0 ? synBacklog : Math.min(backlog, synBacklog * listeners.length),
    unanswered: group.rows.filter((row) => table.timerRetries(row) > 0).length,
    sources: new Set(group.rows.map((row) => table.remoteAddress(row))).size,
    listeners,
    queueFull: listeners.some((row) => table.receiveQueue(row) >= table.sendQueue(row)),
  };
}

function isPileup(group: Group, { limit, unanswered, queueFull }: Pileup): boolean {
  const count = group.rows.length;
  if (count < HALF_OPEN) return false;
  return queueFull || (count >= limit * HALF_OPEN_SHARE && unanswered * 2 >= count);
}

interface Judgement {
  blame: Blame;
  cause: string;
  wouldTell?: string;
}

function judge({ queueFull, sources }: Pileup): Judgement {
  if (queueFull) {
    return {
      blame: 'local-app',
      cause:
        'The listener\u2019s accept queue is full, so handshakes cannot complete: the program accepts too slowly or not at all.',
    };
  }
  if (sources >= HALF_OPEN_SOURCES) {
    return {
      blame: 'nobody',
      cause: `SYNs come from ${thousands(sources)} addresses that do not answer the SYN-ACK: forged sources (a SYN flood or a scan) look like this.`,
      wouldTell:
        'the addresses: known clients among them mean that SYN-ACKs or their answers get lost on the way; unknown ones all over the world mean a flood',
    };
  }
  return {
    blame: 'peer-host or path',
    cause: 'SYNs arrive from a few addresses, but our SYN-ACKs are not answered: they or the answers get lost.',
    wouldTell: 'a packet capture at one of these clients: whether the SYN-ACK arrives, and what goes back',
  };
}

function remediesFor(namespace: NamespaceSnapshot, { queueFull, sources }: Pileup): RemedyAdvice[] {
  if (queueFull) return [fixProgram('make the program accept: see the finding on its full queue')];
  const isFlood = sources >= HALF_OPEN_SOURCES;
  const cookiesOff = namespace.settings.tcp_syncookies === 0;
  return remedyList(
    wait('leave it: each half-open connection ends by itself after its SYN-ACK retries'),
    isFlood ? undefined : askPeer('check filters and asymmetric routes between here and these clients'),
    isFlood && cookiesOff
      ? setSysctl(
          namespace,
          'tcp_syncookies',
          1,
          'answer with cookies when the queue is full',
          'some TCP options are lost on connections made while the queue is full',
        )
      : undefined,
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
    severity: pileup.queueFull || rows.length >= pileup.limit ? 'critical' : 'warning',
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
    ],
    forecast: groupForecast(sockets, context),
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
    if (rows.length < HALF_OPEN) return [];
    return groupRows(namespace, rows, context, { ignoreHolder: true }).flatMap((group) => {
      const pileup = measure(group, namespace, context);
      return isPileup(group, pileup) ? [findingOf(group, pileup, namespace, context)] : [];
    });
  },
};
