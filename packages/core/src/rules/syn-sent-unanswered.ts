import { plainAddress } from '../address.ts';
import type { Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { ageSpan, agesOf, oldestMs } from './shared/ages.ts';
import { witnessesFor } from './shared/alive.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { judgePaths, type PathVerdict, type Stalled } from './shared/path_blame.ts';
import { askPeer, capture, fixProgram, remedyList, wait } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import { leakSeverity } from './shared/severity.ts';
import { SYN_REPEATS } from './shared/thresholds.ts';
import { waitsForFullListener } from './shared/visible_listener.ts';
import { counted, formatRange, rangeOf } from './shared/words.ts';

/** The first timeout of a SYN is one second, and none is shorter. The clocks of TCP_INFO mean nothing in this state. */
const SYN_TIMEOUT_MS = 1_000;

function stalledOf({ table }: NamespaceSnapshot, row: Row): Stalled {
  return { row, unansweredMs: table.timerRetries(row) * SYN_TIMEOUT_MS };
}

function findingOf(group: Group, verdict: PathVerdict, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table, settings } = namespace;
  const { rows, holder } = group;
  const sockets = refsOf(namespace, rows);
  const [row] = rows;
  const ages = agesOf(namespace, rows, context);
  const repeats = rangeOf(rows, (each) => table.timerRetries(each));
  const address = plainAddress(table.remoteAddress(row));
  return {
    rule: 'syn-sent-unanswered',
    blame: verdict.blame,
    severity: leakSeverity(rows.length, oldestMs(ages)),
    count: rows.length,
    title: `${counted(rows.length, 'connection attempt')} ${place(group.service)}: no answer at all (${holder.label})`,
    cause: `The SYN is sent again and again; neither an answer nor a refusal comes. ${verdict.because}`,
    wouldTell: verdict.wouldTell,
    evidence: [
      ...(repeats ? [{ fact: 'SYN repeated', value: formatRange(repeats), source: 'sock_diag idiag_retrans' }] : []),
      ...verdict.evidence,
      ...(settings.tcp_syn_retries === undefined
        ? []
        : [{ fact: 'tcp_syn_retries', value: settings.tcp_syn_retries, source: 'sysctl net.ipv4.tcp_syn_retries' }]),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      wait('leave it: the attempt ends with a timeout error at the forecast time'),
      askPeer(`check that ${address} is up, listens on port ${table.remotePort(row)}, and that filters let it through`),
      capture(namespace, address, table.remotePort(row)),
      fixProgram('give connect a time limit of its own, and try the next address when it passes'),
    ),
    sockets,
    age: ageSpan(ages),
    namespace,
  };
}

/** A closed port answers with a reset; silence means that nobody heard, or that someone chose not to answer. */
export const synSentUnanswered: Rule = {
  id: 'syn-sent-unanswered',
  states: [TcpState.SYN_SENT],
  needs: ['info', 'owners', 'path'],
  candidate: ({ table }, row) => table.timer(row) === TimerCode.RETRANSMIT && table.timerRetries(row) >= SYN_REPEATS,
  witnesses: witnessesFor,
  diagnose(namespace, rows, context) {
    const waiting = rows.filter((row) => !waitsForFullListener(namespace, row, context));
    if (waiting.length === 0) return [];
    const stalled = waiting.map((row) => stalledOf(namespace, row));
    const verdictOf = judgePaths(namespace, stalled, context, true);
    return groupRows(namespace, waiting, context, { variant: (row) => verdictOf(row).id, joinCoHolders: true }).map(
      (group) => findingOf(group, verdictOf(group.rows[0]), namespace, context),
    );
  },
};
