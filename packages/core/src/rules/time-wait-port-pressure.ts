import { endpointText, plainAddress } from '../address.ts';
import type { Evidence, Finding, RemedyAdvice, Rule, RuleContext, Severity } from '../finding.ts';
import { TIME_WAIT_MS } from '../forecast/timewait.ts';
import type { NamespaceSnapshot, Row } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { groupForecast } from './shared/group_forecast.ts';
import { listenerIndex } from './shared/listeners.ts';
import { fixProgram, remedyList, setSysctl } from './shared/remedies.ts';
import { refsOf } from './shared/report.ts';
import { ephemeralRange } from './shared/service.ts';
import { PORT_SHARE_CRITICAL, PORT_SHARE_NOTICE, PORT_SHARE_WARNING } from './shared/thresholds.ts';
import { isReusable } from './shared/time_wait_reuse.ts';
import { thousands } from './shared/words.ts';

const RECENT_MS = 10_000;

function severityOf(share: number, reusable: boolean): Severity {
  if (reusable) return 'notice';
  if (share >= PORT_SHARE_CRITICAL) return 'critical';
  return share >= PORT_SHARE_WARNING ? 'warning' : 'notice';
}

function rateEvidence({ table }: NamespaceSnapshot, rows: ArrayLike<Row>, size: number): Evidence[] {
  let recent = 0;
  const { expiresMs } = table.timers(rows);
  for (let index = 0; index < rows.length; index++) if (expiresMs[index] > TIME_WAIT_MS - RECENT_MS) recent++;
  const perSecond = recent / (RECENT_MS / 1000);
  const level = Math.round(perSecond * (TIME_WAIT_MS / 1000));
  const source = 'sock_diag idiag_expires';
  const leadsTo = level > size ? `${thousands(level)}: more than there are ports` : thousands(level);
  return [
    {
      fact: 'connections closed per second, last 60 s / last 10 s',
      value: `${(rows.length / 60).toFixed(0)} / ${perSecond.toFixed(0)}`,
      source,
    },
    { fact: 'TIME_WAIT that the rate of the last 10 s leads to if it stays (rate × 60 s)', value: leadsTo, source },
  ];
}

function remediesFor(namespace: NamespaceSnapshot, reusable: boolean): RemedyAdvice[] {
  const { low, high } = ephemeralRange(namespace.settings);
  return remedyList(
    fixProgram(
      'keep connections open and use them again (a pool, HTTP keep-alive): one connection per request is what fills the ports',
    ),
    fixProgram(
      'let the other end close first, or use more addresses for either end: each pair of addresses has its own ports',
    ),
    low > 15_000 && !reusable
      ? setSysctl(
          namespace,
          'ip_local_port_range',
          `${15_000} ${high}`,
          'widen the range of local ports',
          'a service that wants to listen on a port in the new part may find it taken',
        )
      : undefined,
    reusable || namespace.settings.tcp_timestamps === 0
      ? undefined
      : setSysctl(
          namespace,
          'tcp_tw_reuse',
          1,
          'let connect take over a TIME_WAIT older than a second; it frees none of them and helps no listener',
          'needs timestamps at both ends, and gives up part of the protection against stray old segments',
        ),
  );
}

function findingOf(rows: ArrayLike<Row>, namespace: NamespaceSnapshot, context: RuleContext): Finding {
  const { table, settings } = namespace;
  const { low, high } = ephemeralRange(settings);
  const size = high - low + 1;
  const share = rows.length / size;
  const row = rows[0];
  const sockets = refsOf(namespace, rows);
  const reusable = isReusable(namespace, row);
  const to = endpointText(plainAddress(table.remoteAddress(row)), table.remotePort(row));
  const percent = `${Math.floor(share * 100)} %`;
  const effect = reusable
    ? 'connect may take these ports over (tcp_tw_reuse), so it still finds one, at a growing cost.'
    : 'When none is left, connect fails with "Cannot assign requested address".';
  return {
    rule: 'time-wait-port-pressure',
    blame: 'local-app',
    severity: severityOf(share, reusable),
    count: rows.length,
    title: `${percent} of the local ports towards ${to} are in TIME_WAIT (${thousands(rows.length)})`,
    cause: `A program here opens and closes connections to one service in quick succession and closes first, which leaves each local port in TIME_WAIT for 60 s. ${effect}`,
    evidence: [
      { fact: 'TIME_WAIT to this destination', value: thousands(rows.length), source: 'sock_diag' },
      {
        fact: 'local ports to choose from',
        value: `${thousands(size)} (${low} to ${high})`,
        source: 'sysctl net.ipv4.ip_local_port_range',
      },
      { fact: 'from local address', value: plainAddress(table.localAddress(row)), source: 'sock_diag' },
      ...rateEvidence(namespace, rows, size),
      ...(settings.tcp_tw_reuse === undefined
        ? []
        : [
            {
              fact: 'tcp_tw_reuse (0 off, 1 on, 2 loopback only)',
              value: settings.tcp_tw_reuse,
              source: 'sysctl net.ipv4.tcp_tw_reuse',
            },
          ]),
    ],
    forecast: groupForecast(sockets, context),
    remedies: remediesFor(namespace, reusable),
    sockets,
    namespace,
  };
}

/** TIME_WAIT of a client that closes first, many enough towards one destination that local ports get scarce. */
export const timeWaitPortPressure: Rule = {
  id: 'time-wait-port-pressure',
  // Nothing more is read of them, and there may be 300,000: they are looked for where they are judged.
  states: [],
  needs: [],
  candidate: () => false,
  diagnose(namespace, _rows, context) {
    const { low, high } = ephemeralRange(namespace.settings);
    const least = Math.max(1, Math.ceil((high - low + 1) * PORT_SHARE_NOTICE));
    const rows = namespace.table.rowsIn(TcpState.TIME_WAIT);
    if (rows.length < least) return [];
    const listeners = context.memo(namespace, listenerIndex);
    const ports = new Uint8Array(65_536).fill(1, low, high + 1);
    for (const port of listeners.keys()) ports[port] = 0;
    const crowded = namespace.table.byDestination(rows, least, ports);
    return crowded.map((group) => findingOf(group, namespace, context));
  },
};
