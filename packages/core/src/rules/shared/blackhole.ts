import { plainAddress } from '../../address.ts';
import type { Evidence, Finding, RemedyAdvice, Rule, RuleContext, SocketRef } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { stateName } from '../../tcp/states.ts';
import { sharedEvidence } from './activity.ts';
import { ageSpan, agesOf } from './ages.ts';
import { witnessesFor } from './alive.ts';
import { counterEvidence } from './counters.ts';
import { type Group, groupRows } from './group.ts';
import { groupForecast } from './group_forecast.ts';
import { judgePaths, type PathVerdict, type Stalled } from './path_blame.ts';
import { comesFirst, peersOf } from './peers.ts';
import { askPeer, capture, dropSocket, remedyList, restartHolder, wait } from './remedies.ts';
import { place, queueEvidence, refsOf } from './report.ts';
import { leakSeverity, orphanSeverity } from './severity.ts';
import { isBlackhole, mayBeBlackhole, unansweredMs } from './stalls.ts';
import { LONE_ORPHAN_RETRANSMITS, ORPHANS_TOGETHER } from './thresholds.ts';
import { forgetfulTracker } from './tracking.ts';
import { counted, formatDurationRange, formatRange, rangeOf, thousands } from './words.ts';

interface BlackholeTexts {
  id: string;
  states: readonly number[];
  /** What is sent again and again, e.g. `its FIN`. */
  sent: string;
}

function isOrphan(namespace: NamespaceSnapshot, row: Row): boolean {
  return namespace.table.kind(row) === 'orphan';
}

/** Orphans with few retransmissions are the everyday end of connections whose client walked away. */
function isNormal(namespace: NamespaceSnapshot, rows: readonly Row[]): boolean {
  if (!rows.every((row) => isOrphan(namespace, row))) return false;
  if (rows.length >= ORPHANS_TOGETHER) return false;
  return rows.every((row) => namespace.table.timerRetries(row) < LONE_ORPHAN_RETRANSMITS);
}

/** Both ends held, visible and retransmitting: one finding, on the end that comes first. */
function isReportedAtOtherEnd(ref: SocketRef, context: RuleContext): boolean {
  const peer = context.peerOf(ref);
  if (!peer || isOrphan(peer.namespace, peer.row) || !isBlackhole(peer.namespace, peer.row)) return false;
  return comesFirst(peer, ref, context);
}

function stalledOf(namespace: NamespaceSnapshot, row: Row): Stalled {
  const info = namespace.table.info(row);
  if (!info) return { row };
  return { row, silentMs: info.lastAckReceivedMs, unansweredMs: unansweredMs(namespace, row, info) };
}

function longestUnansweredMs(namespace: NamespaceSnapshot, rows: readonly Row[]): number {
  return rangeOf(rows, (row) => stalledOf(namespace, row).unansweredMs)?.max ?? 0;
}

function stallEvidence(namespace: NamespaceSnapshot, rows: readonly Row[]): Evidence[] {
  const { table } = namespace;
  const evidence: Evidence[] = [];
  const add = (fact: string, range: string | undefined, source: string) => {
    if (range !== undefined) evidence.push({ fact, value: range, source });
  };
  const byTimer = (timer: number) =>
    rangeOf(rows, (row) => (table.timer(row) === timer ? table.timerRetries(row) : undefined));
  const retransmits = byTimer(TimerCode.RETRANSMIT);
  add('retransmissions without an acknowledgement', retransmits && formatRange(retransmits), 'sock_diag idiag_retrans');
  const probes = byTimer(TimerCode.ZERO_WINDOW_PROBE);
  add('window probes without an answer', probes && formatRange(probes), 'sock_diag idiag_retrans');
  const silent = rangeOf(rows, (row) => table.info(row)?.lastAckReceivedMs);
  add('time since the last acknowledgement', silent && formatDurationRange(silent), 'TCP_INFO tcpi_last_ack_recv');
  const inTimeout = rangeOf(rows, (row) => {
    const info = table.info(row);
    return info?.totalRtoRecoveries === 1 ? info.totalRtoTimeMs : undefined;
  });
  add('time in retransmission timeouts', inTimeout && formatDurationRange(inTimeout), 'TCP_INFO tcpi_total_rto_time');
  return evidence;
}

/** Errors and drops of the device in use: a hint, since they are counted since boot. */
function deviceEvidence(namespace: NamespaceSnapshot, row: Row): Evidence[] {
  const device = namespace.paths.get(namespace.table.remoteAddress(row))?.device;
  const counters = namespace.interfaces.find((one) => one.device === device);
  if (!counters || counters.receiveErrors + counters.transmitErrors === 0) return [];
  return [
    {
      fact: `errors of ${counters.device} since it exists`,
      value: `${counters.receiveErrors} received, ${counters.transmitErrors} sent`,
      source: `/sys/class/net/${counters.device}/statistics`,
    },
  ];
}

function remediesFor(
  group: Group,
  namespace: NamespaceSnapshot,
  verdict: PathVerdict,
  addresses: number,
  ends: boolean,
): RemedyAdvice[] {
  const [row] = group.rows;
  const address = plainAddress(namespace.table.remoteAddress(row));
  const whom =
    verdict.blame === 'path' ? 'the packet filters, NAT and links on the way to' : 'whether the host is up at';
  const others = addresses > 1 ? ` (the first of ${thousands(addresses)} addresses)` : '';
  const owned = group.holder.owners.length > 0;
  return remedyList(
    ends ? wait('leave it: the kernel gives up by itself at the forecast time') : undefined,
    askPeer(`check ${whom} ${address}${others}`),
    capture(namespace, address, namespace.table.remotePort(row)),
    dropSocket(namespace, group.rows, group.holder),
    owned && group.rows.length > 1 ? restartHolder(group.holder) : undefined,
  );
}

function titleOf(group: Group, isOrphaned: boolean, texts: BlackholeTexts): string {
  const whose = isOrphaned ? 'left by their program' : group.holder.label;
  const many = counted(group.rows.length, 'connection');
  return `${many} in ${stateName(group.state)} ${place(group.service)}: no answer to ${texts.sent} (${whose})`;
}

function findingOf(
  group: Group,
  verdict: PathVerdict,
  texts: BlackholeTexts,
  namespace: NamespaceSnapshot,
  context: RuleContext,
): Finding {
  const { rows } = group;
  const sockets = refsOf(namespace, rows);
  const isOrphaned = isOrphan(namespace, rows[0]);
  const forecast = groupForecast(sockets, context);
  const again = `This end sends ${texts.sent} again and again and nothing is acknowledged.`;
  const addresses = new Set(rows.map((row) => namespace.table.remoteAddress(row))).size;
  return {
    rule: texts.id,
    blame: verdict.blame,
    severity: isOrphaned
      ? orphanSeverity(rows.length)
      : leakSeverity(rows.length, longestUnansweredMs(namespace, rows)),
    count: rows.length,
    title: titleOf(group, isOrphaned, texts),
    cause: `${again} ${verdict.because}`,
    wouldTell:
      verdict.wouldTell && (addresses > 1 ? `for one of the addresses, ${verdict.wouldTell}` : verdict.wouldTell),
    evidence: [
      ...stallEvidence(namespace, rows),
      ...(addresses > 1 ? [{ fact: 'remote addresses concerned', value: addresses, source: 'sock_diag' }] : []),
      ...verdict.evidence,
      ...queueEvidence(namespace, rows),
      ...deviceEvidence(namespace, rows[0]),
      ...counterEvidence(namespace, 'TcpExt.TCPTimeouts', 'retransmission timeouts of the whole namespace'),
      ...sharedEvidence(group),
    ],
    forecast,
    remedies: remediesFor(group, namespace, verdict, addresses, forecast.kind === 'at'),
    sockets,
    peers: peersOf(sockets, context),
    age: ageSpan(agesOf(namespace, rows, context)),
    namespace,
  };
}

/** A rule for connections that retransmit (or probe) into nothing: who does not answer, the host or the path to it? */
export function blackholeRule(texts: BlackholeTexts): Rule {
  return {
    id: texts.id,
    states: texts.states,
    needs: ['info', 'owners', 'path', 'counters'],
    candidate: ({ table }, row) => mayBeBlackhole(table, row),
    witnesses: witnessesFor,
    diagnose(namespace, rows, context) {
      const stalled = rows.filter(
        (row) =>
          isBlackhole(namespace, row) &&
          !isReportedAtOtherEnd({ namespace, row }, context) &&
          // conntrack-missing says more of these.
          !forgetfulTracker({ namespace, row }, context),
      );
      if (stalled.length === 0) return [];
      const verdictOf = judgePaths(
        namespace,
        stalled.map((row) => stalledOf(namespace, row)),
        context,
      );
      const variant = (row: Row) => `${isOrphan(namespace, row) ? 'orphan' : 'owned'}/${verdictOf(row).id}`;
      return groupRows(namespace, stalled, context, { variant, joinCoHolders: true })
        .filter((group) => !isNormal(namespace, group.rows))
        .map((group) => findingOf(group, verdictOf(group.rows[0]), texts, namespace, context));
    },
  };
}
