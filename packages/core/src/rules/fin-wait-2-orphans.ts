import { plainAddress } from '../address.ts';
import type { Evidence, Finding, Rule, RuleContext } from '../finding.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { orphanFinWait2Ms } from '../tcp/nominal.ts';
import { TcpState } from '../tcp/states.ts';
import { type Group, groupRows } from './shared/group.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { peerMustClose } from './shared/peers.ts';
import { askPeer, fixProgram, remedyList, setSysctl, wait } from './shared/remedies.ts';
import { place, refsOf } from './shared/report.ts';
import { FIN_WAIT_2_ORPHANS } from './shared/thresholds.ts';
import { counted, listed, thousands } from './shared/words.ts';

/** A few peers that never close, or a habit of all of them? */
function peersEvidence({ table }: NamespaceSnapshot, rows: readonly Row[]): Evidence {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const address = table.remoteAddress(row);
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  const top = [...counts].sort((left, right) => right[1] - left[1]).slice(0, 3);
  const leaders = listed(top.map(([address, count]) => `${plainAddress(address)} (${thousands(count)})`));
  return {
    fact: 'remote addresses concerned, those with the most first',
    value: `${thousands(counts.size)}: ${leaders}`,
    source: 'sock_diag',
  };
}

function findingOf(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { rows } = group;
  const sockets = refsOf(namespace, rows);
  const finTimeout = namespace.settings.tcp_fin_timeout;
  return {
    rule: 'fin-wait-2-orphans',
    blame: 'peer-app',
    severity: 'notice',
    count: rows.length,
    title: `${counted(rows.length, 'connection')} in FIN_WAIT2 ${place(group.service)} run down by the kernel: the peers do not close`,
    cause:
      'This end has closed for good and the peers have acknowledged it, but do not close their side. Each such connection ends by its own timer; they are many because peers leave them open faster than the timer clears them.',
    evidence: [
      peersEvidence(namespace, rows),
      ...(finTimeout === undefined
        ? []
        : [{ fact: 'tcp_fin_timeout', value: `${finTimeout} s`, source: 'sysctl net.ipv4.tcp_fin_timeout' }]),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remedyList(
      wait('leave them: each is a small stand-in without a descriptor and ends at its own time'),
      askPeer('have the peers close when they read the end of file; clients that go to sleep cannot'),
      fixProgram('let the peer close first where the protocol allows it, or set TCP_LINGER2 on this service alone'),
      finTimeout !== undefined && (orphanFinWait2Ms(namespace.settings) ?? 0) > 30_000
        ? setSysctl(
            namespace,
            'tcp_fin_timeout',
            30,
            'shorten the wait for connections closed from now on (values from 61 to 119 do not do what they say)',
            'a peer that sends its last data later than that gets a reset',
          )
        : undefined,
    ),
    sockets,
    namespace,
  };
}

/** Orphans in FIN_WAIT2, first on the socket's own timer and then as minisockets: normal unless they are many. */
export const finWait2Orphans: Rule = {
  id: 'fin-wait-2-orphans',
  states: [TcpState.FIN_WAIT2],
  // For the forecast of those still on the socket's own timer; minisockets carry no TCP_INFO.
  needs: ['info'],
  candidate: ({ table }, row) => table.kind(row) !== 'full',
  diagnose(namespace, rows, context) {
    if (rows.length < FIN_WAIT_2_ORPHANS) return [];
    const away = rows.filter((row) => !peerMustClose({ namespace, row }, context));
    return groupRows(namespace, away, context, { ignoreHolder: true })
      .filter((group) => group.rows.length >= FIN_WAIT_2_ORPHANS)
      .map((group) => findingOf(group, namespace, context));
  },
};
