import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import { sharedEvidence } from './shared/activity.ts';
import { ageSpan, agesOf } from './shared/ages.ts';
import { witnessesFor } from './shared/alive.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { peersOf } from './shared/peers.ts';
import { askPeer, dropSocket, firewallRules, fixProgram, remedyList, wait } from './shared/remedies.ts';
import { place, queueEvidence, refsOf } from './shared/report.ts';
import { leakSeverity, orphanSeverity } from './shared/severity.ts';
import { mayBeBlackhole, unansweredMs } from './shared/stalls.ts';
import { forgetfulTracker, isAnythingTracked, othersText, type Tracker, trackerName } from './shared/tracking.ts';
import { counted, rangeOf } from './shared/words.ts';

const LOOSE = 'nf_conntrack_tcp_loose';

function evidenceOf(tracker: Tracker, namespace: NamespaceSnapshot, rows: readonly Row[]): Evidence[] {
  const { table } = namespace;
  const where = trackerName(tracker.namespace, namespace);
  const loose = tracker.namespace.settings[LOOSE];
  const retransmits = rangeOf(rows, (row) => table.timerRetries(row));
  const repeated =
    retransmits &&
    (retransmits.min === retransmits.max ? `${retransmits.min}` : `${retransmits.min} to ${retransmits.max}`);
  return [
    { fact: `conntrack entries for these connections in ${where}`, value: 'none', source: 'ctnetlink' },
    { fact: `entries of other connections there`, value: othersText(tracker, namespace), source: 'ctnetlink' },
    ...(repeated
      ? [{ fact: 'retransmissions without an answer', value: repeated, source: 'sock_diag idiag_retrans' }]
      : []),
    ...(loose === undefined
      ? []
      : [
          {
            fact: `${LOOSE} there`,
            value:
              loose === 0
                ? '0: no connection is picked up in its middle'
                : `${loose}: a data packet may be picked up in its middle, a FIN never`,
            source: `/proc/sys/net/netfilter/${LOOSE}`,
          },
        ]),
  ];
}

function findingOf(group: Group, tracker: Tracker, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table } = namespace;
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const forecast = groupForecast(sockets, context);
  const isOrphaned = table.kind(rows[0]) === 'orphan';
  const where = trackerName(tracker.namespace, namespace);
  const stalledMs = rangeOf(rows, (row) => {
    const info = table.info(row);
    return info && unansweredMs(namespace, row, info);
  });
  return {
    rule: 'conntrack-missing',
    blame: 'path',
    severity: isOrphaned ? orphanSeverity(rows.length) : leakSeverity(rows.length, stalledMs?.max ?? 0),
    count: rows.length,
    title: `${counted(rows.length, 'connection')} in ${stateName(group.state)} ${place(group.service)}: no answer, and ${where} has no conntrack entry for ${rows.length === 1 ? 'it' : 'them'}`,
    cause: `What this end sends is not answered. ${capital(where)} tracks connections and has forgotten ${rows.length === 1 ? 'this one' : 'these'}: each retransmission that was let through as part of a known connection would have kept an entry alive. A firewall that wants a SYN first drops the rest of such a connection; whether the rules there do so cannot be seen from here.`,
    wouldTell: `the rules of ${where} (nft list ruleset): one that drops ct state invalid, or new without SYN`,
    evidence: [...evidenceOf(tracker, namespace, rows), ...queueEvidence(namespace, rows), ...sharedEvidence(group)],
    forecast,
    remedies: remedyList(
      forecast.kind === 'at' ? wait('leave it: the kernel gives up by itself at the forecast time') : undefined,
      firewallRules(tracker.namespace, where),
      askPeer(
        'have the firewall answer such packets with a reset (reject with tcp reset) instead of dropping them: both ends then learn of it at once',
      ),
      fixProgram(
        'send something, or switch keepalive on, more often than the firewall forgets (nf_conntrack_tcp_timeout_established)',
      ),
      dropSocket(namespace, rows, holder),
    ),
    sockets,
    peers: peersOf(sockets, context),
    age: ageSpan(agesOf(namespace, rows, context)),
    namespace,
  };
}

function capital(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}

/** A firewall on the way has forgotten the connection and swallows the rest of it. */
export const conntrackMissing: Rule = {
  id: 'conntrack-missing',
  states: [TcpState.FIN_WAIT1, TcpState.LAST_ACK, TcpState.CLOSING, TcpState.ESTABLISHED, TcpState.CLOSE_WAIT],
  needs: ['info', 'owners', 'conntrack'],
  candidate: ({ table }, row) => mayBeBlackhole(table, row),
  witnesses: witnessesFor,
  diagnose(namespace, rows, context) {
    if (!isAnythingTracked(context)) return [];
    const trackers = new Map<Row, Tracker>();
    for (const row of rows) {
      const tracker = forgetfulTracker({ namespace, row }, context);
      if (tracker) trackers.set(row, tracker);
    }
    const variant = (row: Row) =>
      `${namespace.table.kind(row) === 'orphan' ? 'orphan' : 'owned'}/${trackers.get(row)?.namespace.inode}`;
    return groupRows(namespace, [...trackers.keys()], context, { variant }).flatMap((group) => {
      const tracker = trackers.get(group.rows[0]);
      return tracker ? [findingOf(group, tracker, namespace, context)] : [];
    });
  },
};
