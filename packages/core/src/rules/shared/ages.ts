import { formatDuration } from '../../duration.ts';
import type { AgeBounds, Evidence, RuleContext } from '../../finding.ts';
import { ageBounds, ageWithoutTimer } from '../../forecast/age.ts';
import { tickMs } from '../../forecast/timer_wheel.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { forecastInputOf } from './forecast_input.ts';
import { thousands } from './words.ts';

/** Bounds on the time in its state for each row of a group, in columns: there may be ten thousands. */
export interface Ages {
  /** NaN where nothing is known. */
  fromMs: Float64Array;
  /** Infinity where there is no upper bound. */
  toMs: Float64Array;
}

/** By row. Several rules, and each more than once, ask for the same ages: they are worked out once. */
class KnownAges {
  /** 0: not yet asked for, NaN: not known, otherwise the lower bound plus one. */
  readonly #fromMs: Float64Array;
  readonly #toMs: Float64Array;
  readonly #namespace: NamespaceSnapshot;

  constructor(namespace: NamespaceSnapshot) {
    this.#namespace = namespace;
    this.#fromMs = new Float64Array(namespace.table.count);
    this.#toMs = new Float64Array(namespace.table.count);
  }

  fromMs(row: Row, context: RuleContext): number {
    if (this.#fromMs[row] === 0) {
      const age = boundsOf(this.#namespace, row, context);
      this.#fromMs[row] = age ? age.fromMs + 1 : Number.NaN;
      this.#toMs[row] = age?.toMs ?? Number.POSITIVE_INFINITY;
    }
    return this.#fromMs[row] - 1;
  }

  /** Only after `fromMs` of that row. */
  toMs(row: Row): number {
    return this.#toMs[row];
  }
}

function newAges(namespace: NamespaceSnapshot): KnownAges {
  return new KnownAges(namespace);
}

/** Rows that have certainly been in their state for so long. */
export function olderThan(
  ageMs: number,
  namespace: NamespaceSnapshot,
  rows: readonly Row[],
  context: RuleContext,
): Row[] {
  const known = context.memo(namespace, newAges);
  return rows.filter((row) => known.fromMs(row, context) >= ageMs);
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

export function agesOf(namespace: NamespaceSnapshot, rows: readonly Row[], context: RuleContext): Ages {
  const known = context.memo(namespace, newAges);
  const fromMs = new Float64Array(rows.length);
  const toMs = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    fromMs[index] = known.fromMs(rows[index], context);
    toMs[index] = known.toMs(rows[index]);
  }
  return { fromMs, toMs };
}

/** From the youngest lower bound to the oldest upper bound; undefined when no socket of the group has bounds. */
export function ageSpan({ fromMs, toMs }: Ages): AgeBounds | undefined {
  let youngestMs = Number.POSITIVE_INFINITY;
  let oldestMs = 0;
  for (let index = 0; index < fromMs.length; index++) {
    if (fromMs[index] < youngestMs) youngestMs = fromMs[index];
    if (toMs[index] > oldestMs) oldestMs = toMs[index];
  }
  if (youngestMs === Number.POSITIVE_INFINITY) return undefined;
  return oldestMs === Number.POSITIVE_INFINITY ? { fromMs: youngestMs } : { fromMs: youngestMs, toMs: oldestMs };
}

/** The longest time that any socket of the group has certainly spent in its state. */
export function oldestMs({ fromMs }: Ages): number {
  let oldest = 0;
  for (const ms of fromMs) if (ms > oldest) oldest = ms;
  return oldest;
}

const PERIODS_MS = [10_000, 60_000, 600_000];

/**
 * How fast the group grows: only those counted whose upper age bound lies inside the period, so each number is "at
 * least". Nothing for a single socket, and nothing where no upper bounds are known.
 */
export function growthEvidence({ toMs }: Ages): Evidence[] {
  const counts = PERIODS_MS.map(() => 0);
  let isAnyKnown = false;
  for (let index = 0; index < toMs.length; index++) {
    if (toMs[index] === Number.POSITIVE_INFINITY) continue;
    isAnyKnown = true;
    for (let period = 0; period < counts.length; period++) if (toMs[index] < PERIODS_MS[period]) counts[period]++;
  }
  if (toMs.length < 2 || !isAnyKnown) return [];
  return [
    {
      fact: `entered the state within the last ${PERIODS_MS.map((ms) => formatDuration(ms)).join(' / ')}, at least`,
      value: counts.map(thousands).join(' / '),
      source: 'TCP_INFO tcpi_last_data_recv, tcpi_last_data_sent',
    },
  ];
}
