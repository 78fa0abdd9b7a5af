import type { Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import { ageSpan, agesOf } from './shared/ages.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { peersOf } from './shared/peers.ts';
import { dropSocket, fixProgram, look, remedyList } from './shared/remedies.ts';
import { place, queueEvidence, refsOf } from './shared/report.ts';
import { leakSeverity } from './shared/severity.ts';
import { TIMERLESS_MS } from './shared/thresholds.ts';
import { counted, formatDurationRange, formatRange, rangeOf } from './shared/words.ts';

/** Bytes are owed to the peer, yet no segment of them is left to send: someone emptied the queue. */
function isPurged({ table }: NamespaceSnapshot, row: Row): boolean {
  return table.sendQueue(row) > 0 && table.info(row)?.unackedSegments === 0;
}

const PURGED =
  'Its send queue was emptied although bytes are owed, which a destroy request (such as ss -K) leaves behind on kernels that mishandle orphans.';
const UNSENT =
  'Segments are outstanding, so a timer should run; sockets that the kernel itself opened (file servers, tunnels) lose theirs when closed on some versions.';

function findingOf(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table } = namespace;
  const { rows } = group;
  const sockets = refsOf(namespace, rows);
  const quiet = rangeOf(rows, (row) => table.info(row)?.lastAckReceivedMs);
  const segments = rangeOf(rows, (row) => table.info(row)?.unackedSegments);
  return {
    rule: 'fin-wait-1-immortal',
    blame: 'kernel-setting',
    severity: leakSeverity(rows.length, 0),
    count: rows.length,
    title: `${counted(rows.length, 'orphan')} in ${stateName(group.state)} ${place(group.service)} without any timer`,
    cause: `No process holds the socket and the kernel has no timer for it, so nothing at this end will ever remove it. ${group.variant === 'purged' ? PURGED : UNSENT}`,
    wouldTell:
      'what was done on this host before: a destroy request (ss -K or a tool like it), or a kernel service that closed',
    evidence: [
      { fact: 'timer', value: 'none', source: 'sock_diag idiag_timer' },
      { fact: 'descriptor', value: 'none: no process holds it', source: 'sock_diag idiag_inode' },
      ...(segments
        ? [{ fact: 'segments outstanding', value: formatRange(segments), source: 'TCP_INFO tcpi_unacked' }]
        : []),
      ...(quiet
        ? [
            {
              fact: 'time since the last acknowledgement',
              value: formatDurationRange(quiet),
              source: 'TCP_INFO tcpi_last_ack_recv',
            },
          ]
        : []),
      ...queueEvidence(namespace, rows),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      look('leave it if it is one: it costs a few kilobytes and holds its port only'),
      dropSocket(namespace, rows, group.holder),
      fixProgram(
        'run a kernel with the fix (Linux 6.11, or a stable release that took it over); a reboot removes what is left',
      ),
    ),
    sockets,
    peers: peersOf(sockets, context),
    age: ageSpan(agesOf(namespace, rows, context)),
    namespace,
  };
}

/** An orphan that no timer runs down. LAST_ACK and CLOSING can be left behind in the same way. */
export const finWait1Immortal: Rule = {
  id: 'fin-wait-1-immortal',
  states: [TcpState.FIN_WAIT1, TcpState.LAST_ACK, TcpState.CLOSING],
  needs: ['info'],
  candidate: ({ table }, row) => table.timer(row) === TimerCode.NONE && table.kind(row) === 'orphan',
  diagnose(namespace, rows, context) {
    const { table } = namespace;
    const still = rows.filter((row) => (table.info(row)?.lastAckReceivedMs ?? 0) >= TIMERLESS_MS);
    const variant = (row: Row) => (isPurged(namespace, row) ? 'purged' : 'outstanding');
    return groupRows(namespace, still, context, { variant }).map((group) => findingOf(group, namespace, context));
  },
};
