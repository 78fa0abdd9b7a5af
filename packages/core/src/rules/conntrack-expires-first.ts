import { formatDuration } from '../duration.ts';
import type { Evidence, Finding, Rule, RuleContext, SocketRef } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import { sharedEvidence } from './shared/activity.ts';
import { ageSpan, agesOf, olderThan } from './shared/ages.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { peerMustClose, peersOf } from './shared/peers.ts';
import { askPeer, dropSocket, firewallRules, fixProgram, remedyList } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import { HALF_CLOSED_MS } from './shared/thresholds.ts';
import {
  conntrackTimeoutMs,
  isAnythingTracked,
  isServiceTracked,
  othersText,
  type Tracker,
  trackerName,
  trackersOf,
} from './shared/tracking.ts';
import { counted, formatDurationRange, rangeOf } from './shared/words.ts';

const SETTING = 'nf_conntrack_tcp_timeout_close_wait';

/** Time since any packet of the connection was seen here: each of them refreshes the entry. */
function quietMs({ table }: NamespaceSnapshot, row: Row): number | undefined {
  const info = table.info(row);
  return info && Math.min(info.lastAckReceivedMs, info.lastDataReceivedMs, info.lastDataSentMs);
}

/** A keepalive probe within this time refreshes the entry as well. */
function isProbedWithin({ table }: NamespaceSnapshot, row: Row, ms: number): boolean {
  return table.timer(row) === TimerCode.KEEPALIVE && table.timerExpiresMs(row) < ms;
}

/**
 * The tracker that will have forgotten the connection before it ends: its entry has less time left than the connection
 * has been quiet already, or it is gone. Undefined where nothing shows that.
 */
function impatientTracker(ref: SocketRef, context: RuleContext): Tracker | undefined {
  const { namespace, row } = ref;
  const quiet = quietMs(namespace, row);
  if (quiet === undefined || quiet < HALF_CLOSED_MS) return undefined;
  // Both ends on one host: what its firewall does to its own loopback is seldom in the way.
  if (peerMustClose(ref, context) || context.peerOf(ref)?.namespace === namespace) return undefined;
  const found = trackersOf(ref, context).find((tracker) => {
    const { entry } = tracker;
    if (entry) {
      if (entry.timeoutMs === undefined) return false;
      return entry.timeoutMs <= quiet && !isProbedWithin(namespace, row, entry.timeoutMs);
    }
    const limitMs = conntrackTimeoutMs(tracker.namespace.settings, 'close_wait');
    return quiet >= limitMs && isServiceTracked(ref, tracker, context);
  });
  if (!found || olderThan(HALF_CLOSED_MS, namespace, [row], context).length === 0) return undefined;
  return context.forecast(ref).kind === 'at' ? undefined : found;
}

function evidenceOf(tracker: Tracker, namespace: NamespaceSnapshot, rows: readonly Row[], left: string): Evidence[] {
  const where = trackerName(tracker.namespace, namespace);
  const quiet = rangeOf(rows, (row) => quietMs(namespace, row));
  const setting = tracker.namespace.settings[SETTING];
  return [
    { fact: `conntrack entry in ${where}`, value: left, source: 'ctnetlink' },
    ...(tracker.entry
      ? []
      : [{ fact: 'entries of other connections there', value: othersText(tracker, namespace), source: 'ctnetlink' }]),
    ...(setting === undefined
      ? []
      : [{ fact: `${SETTING} there`, value: `${setting} s`, source: `/proc/sys/net/netfilter/${SETTING}` }]),
    ...(quiet
      ? [
          {
            fact: 'no packet of these for',
            value: formatDurationRange(quiet),
            source: 'TCP_INFO tcpi_last_data_sent, tcpi_last_data_recv, tcpi_last_ack_recv',
          },
        ]
      : []),
  ];
}

function leftText(rows: readonly Row[], trackers: ReadonlyMap<Row, Tracker>): string {
  const left = rangeOf(rows, (row) => trackers.get(row)?.entry?.timeoutMs);
  if (!left) return 'gone';
  const states = new Set(rows.map((row) => trackers.get(row)?.entry?.state ?? 'no state'));
  return `${[...states].join(', ')}, dropped in ${formatDurationRange(left)}`;
}

function findingOf(
  group: Group,
  trackers: ReadonlyMap<Row, Tracker>,
  tracker: Tracker,
  namespace: NamespaceSnapshot,
  context: RuleContext,
): Finding {
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const where = trackerName(tracker.namespace, namespace);
  const them = rows.length === 1 ? 'it' : 'them';
  const limitMs = conntrackTimeoutMs(tracker.namespace.settings, 'close_wait');
  const forgets = tracker.entry ? `is about to forget ${them}` : `has forgotten ${them}`;
  return {
    rule: 'conntrack-expires-first',
    blame: 'kernel-setting',
    severity: 'notice',
    count: rows.length,
    title: `${counted(rows.length, 'half-closed connection')} in ${stateName(group.state)} ${place(group.service)}: ${where} ${forgets}`,
    cause: `One end has closed and the other has not. Connection tracking in ${where} keeps a half-closed connection for ${formatDuration(limitMs)} without a packet, and nothing ends this wait sooner. If the rules there want a SYN first, the later FIN is dropped: one end then stays in LAST_ACK until it gives up, the other in FIN_WAIT2.`,
    wouldTell: `the rules of ${where} (nft list ruleset): one that drops ct state invalid, or new without SYN`,
    evidence: [...evidenceOf(tracker, namespace, rows, leftText(rows, trackers)), ...sharedEvidence(group)],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      fixProgram('close both directions sooner, or keep the connection in use while it is half-closed (keepalive)'),
      askPeer(`raise ${SETTING} in ${where} above the longest half-close that is meant`),
      firewallRules(tracker.namespace, where),
      dropSocket(namespace, rows, holder),
    ),
    sockets,
    peers: peersOf(sockets, context),
    age: ageSpan(agesOf(namespace, rows, context)),
    namespace,
  };
}

/** A half-close that outlives what a firewall on the way remembers of it. */
export const conntrackExpiresFirst: Rule = {
  id: 'conntrack-expires-first',
  states: [TcpState.CLOSE_WAIT, TcpState.FIN_WAIT2],
  needs: ['info', 'owners', 'conntrack'],
  candidate: ({ table }, row) => table.kind(row) === 'full',
  diagnose(namespace, rows, context) {
    if (!isAnythingTracked(context)) return [];
    const trackers = new Map<Row, Tracker>();
    for (const row of rows) {
      const tracker = impatientTracker({ namespace, row }, context);
      if (tracker) trackers.set(row, tracker);
    }
    const variant = (row: Row) => {
      const tracker = trackers.get(row);
      return `${tracker?.namespace.inode}/${tracker?.entry ? 'left' : 'gone'}`;
    };
    return groupRows(namespace, [...trackers.keys()], context, { variant }).flatMap((group) => {
      const tracker = trackers.get(group.rows[0]);
      return tracker ? [findingOf(group, trackers, tracker, namespace, context)] : [];
    });
  },
};
