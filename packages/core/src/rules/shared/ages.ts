import { formatDuration } from '../../duration.ts';
import type { AgeBounds, Evidence, RuleContext } from '../../finding.ts';
import { ageBounds, ageWithoutTimer } from '../../forecast/age.ts';
import { tickMs } from '../../forecast/timer_wheel.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { forecastInputOf } from './forecast_input.ts';
import { thousands } from './words.ts';

/** Bounds on the time in its state, for each row of a group; worked out once. */
export type Ages = readonly (AgeBounds | undefined)[];

/** Several rules, and each more than once, ask for the ages of the same ten thousand sockets. */
export function ageOf(namespace: NamespaceSnapshot, row: Row, context: RuleContext): AgeBounds | undefined {
  const known = context.memo(namespace, newAges);
  let age = known[row];
  if (age === undefined) {
    age = boundsOf(namespace, row, context) ?? UNKNOWN;
    known[row] = age;
  }
  return age === UNKNOWN ? undefined : age;
}

function boundsOf(namespace: NamespaceSnapshot, row: Row, { snapshot }: RuleContext): AgeBounds | undefined {
  const { table } = namespace;
  const state = table.state(row);
  if (table.timer(row) === TimerCode.NONE && (state === TcpState.CLOSE_WAIT || state === TcpState.FIN_WAIT2)) {
    const info = table.info(row);
    return info && ageWithoutTimer(state, info, tickMs(snapshot.timerHz));
  }
  return ageBounds(forecastInputOf(snapshot, namespace, row));
}

const UNKNOWN: AgeBounds = { fromMs: 0 };

function newAges({ table }: NamespaceSnapshot): (AgeBounds | undefined)[] {
  return new Array<AgeBounds | undefined>(table.count).fill(undefined);
}

export function agesOf(namespace: NamespaceSnapshot, rows: readonly Row[], context: RuleContext): Ages {
  return rows.map((row) => ageOf(namespace, row, context));
}

/** From the youngest lower bound to the oldest upper bound; undefined when no socket of the group has bounds. */
export function ageSpan(ages: Ages): AgeBounds | undefined {
  let fromMs: number | undefined;
  let toMs: number | undefined = 0;
  for (const age of ages) {
    if (age) fromMs = Math.min(fromMs ?? age.fromMs, age.fromMs);
    if (toMs !== undefined) toMs = age?.toMs === undefined ? undefined : Math.max(toMs, age.toMs);
  }
  if (fromMs === undefined) return undefined;
  return toMs === undefined ? { fromMs } : { fromMs, toMs };
}

/** The longest time that any socket of the group has certainly spent in its state. */
export function oldestMs(ages: Ages): number {
  return ages.reduce((oldest, age) => Math.max(oldest, age?.fromMs ?? 0), 0);
}

const PERIODS_MS = [10_000, 60_000, 600_000];

/**
 * How fast the group grows: only those counted whose upper age bound lies inside the period, so each number is "at
 * least". Nothing for a single socket, and nothing where no upper bounds are known.
 */
export function growthEvidence(ages: Ages): Evidence[] {
  const counts = PERIODS_MS.map(() => 0);
  let isAnyKnown = false;
  for (const age of ages) {
    if (age?.toMs === undefined) continue;
    isAnyKnown = true;
    for (let index = 0; index < counts.length; index++) if (age.toMs < PERIODS_MS[index]) counts[index]++;
  }
  if (ages.length < 2 || !isAnyKnown) return [];
  return [
    {
      fact: `entered the state within the last ${PERIODS_MS.map((ms) => formatDuration(ms)).join(' / ')}, at least`,
      value: counts.map(thousands).join(' / '),
      source: 'TCP_INFO tcpi_last_data_recv, tcpi_last_data_sent',
    },
  ];
}
