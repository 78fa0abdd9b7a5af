import { plainAddress } from '../../address.ts';
import type { Evidence, Finding, RemedyAdvice, Rule, RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { stateName } from '../../tcp/states.ts';
import { sharedEvidence } from './activity.ts';
import { ageSpan, agesOf } from './ages.ts';
import { type Group, groupRows } from './group.ts';
import { groupForecast } from './group_forecast.ts';
import { peerEvidence, peersOf } from './peers.ts';
import { askPeer, dropSocket, remedyList, wait } from './remedies.ts';
import { place, queueEvidence, refsOf } from './report.ts';
import { leakSeverity, orphanSeverity } from './severity.ts';
import { isZeroWindow, mayBeZeroWindow, windowShutMs } from './stalls.ts';
import { counted, formatDurationRange, formatRange, rangeOf } from './words.ts';

interface ZeroWindowTexts {
  id: string;
  states: readonly number[];
  /** What cannot proceed, e.g. `the connection cannot finish closing`. */
  consequence: string;
  /** Slow readers of open connections are common: never worse than this rule's own scale for leaks. */
  isOpen?: boolean;
}

function windowEvidence(namespace: NamespaceSnapshot, rows: readonly Row[]): Evidence[] {
  const { table } = namespace;
  const evidence: Evidence[] = [];
  const add = (fact: string, value: string | undefined, source: string) => {
    if (value !== undefined) evidence.push({ fact, value, source });
  };
  const unanswered = rangeOf(rows, (row) => table.timerRetries(row));
  add(
    'probes or retransmissions waiting for an answer',
    unanswered && formatRange(unanswered),
    'sock_diag idiag_retrans',
  );
  const backoff = rangeOf(rows, (row) => table.info(row)?.backoff);
  add(
    'doublings of the probe interval since the window shut',
    backoff && formatRange(backoff),
    'TCP_INFO tcpi_backoff',
  );
  const shut = rangeOf(rows, (row) => {
    const info = table.info(row);
    return info && windowShutMs(namespace, info);
  });
  add('window shut for at least', shut && formatDurationRange(shut), 'TCP_INFO tcpi_backoff, tcpi_rto');
  const heard = rangeOf(rows, (row) => table.info(row)?.lastAckReceivedMs);
  add('time since the peer last answered', heard && formatDurationRange(heard), 'TCP_INFO tcpi_last_ack_recv');
  const window = rangeOf(rows, (row) => table.info(row)?.sendWindow);
  add('window the peer offers, bytes', window && formatRange(window), 'TCP_INFO tcpi_snd_wnd');
  return evidence;
}

function remediesFor(group: Group, namespace: NamespaceSnapshot, ends: boolean): RemedyAdvice[] {
  const { table } = namespace;
  const [row] = group.rows;
  const peer = `${plainAddress(table.remoteAddress(row))} port ${table.remotePort(row)}`;
  return remedyList(
    ends ? wait('leave it: the kernel gives up by itself at the forecast time') : undefined,
    askPeer(`have the program at ${peer} read its data or close the connection`),
    dropSocket(namespace, group.rows, group.holder),
  );
}

function findingOf(group: Group, texts: ZeroWindowTexts, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const peers = peersOf(sockets, context);
  const forecast = groupForecast(sockets, context);
  const isOrphaned = namespace.table.kind(rows[0]) === 'orphan';
  const shutMs = rangeOf(rows, (row) => {
    const info = namespace.table.info(row);
    return info && windowShutMs(namespace, info);
  });
  return {
    rule: texts.id,
    blame: 'peer-app',
    severity: isOrphaned
      ? orphanSeverity(rows.length)
      : leakSeverity(rows.length, texts.isOpen ? 0 : (shutMs?.max ?? 0)),
    count: rows.length,
    title: `${counted(rows.length, 'connection')} in ${stateName(group.state)} ${place(group.service)}: the peer does not read (${holder.label})`,
    cause: `The peer\u2019s host is alive and answers, but keeps its receive window shut: the program there has stopped reading, so ${texts.consequence}.`,
    evidence: [
      ...windowEvidence(namespace, rows),
      ...queueEvidence(namespace, rows),
      ...peerEvidence(peers, context),
      ...sharedEvidence(group),
    ],
    forecast,
    remedies: remediesFor(group, namespace, forecast.kind === 'at'),
    sockets,
    peers,
    age: ageSpan(agesOf(namespace, rows, context)),
    namespace,
  };
}

/** A rule for connections whose peer answers window probes and lets nothing in. */
export function zeroWindowRule(texts: ZeroWindowTexts): Rule {
  return {
    id: texts.id,
    states: texts.states,
    needs: ['info', 'owners', 'options'],
    candidate: ({ table }, row) => mayBeZeroWindow(table, row),
    diagnose(namespace, rows, context) {
      const stalled = rows.filter((row) => isZeroWindow(namespace, row));
      const variant = (row: Row) => (namespace.table.kind(row) === 'orphan' ? 'orphan' : 'owned');
      return groupRows(namespace, stalled, context, { variant }).map((group) =>
        findingOf(group, texts, namespace, context),
      );
    },
  };
}
