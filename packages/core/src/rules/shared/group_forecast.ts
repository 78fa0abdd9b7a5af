import type { RuleContext } from '../../finding.ts';
import type { Forecast } from '../../forecast/forecast.ts';
import type { Row } from '../../snapshot.ts';
import type { RowRefs } from '../../socket_refs.ts';
import { FORECAST_SAMPLE } from './thresholds.ts';
import { thousands } from './words.ts';

type Kind = Forecast['kind'];
/** A group is as bad as its worst socket. */
const WORST_FIRST: readonly Kind[] = ['never', 'unknown', 'when', 'at'];

/** An even sample of a large group, and with it the sockets whose timers lie farthest out: they make the span. */
export function sampled({ namespace: { table }, rows }: RowRefs): readonly Row[] {
  if (rows.length <= FORECAST_SAMPLE) return Array.from(rows);
  const step = rows.length / FORECAST_SAMPLE;
  const even = Array.from({ length: FORECAST_SAMPLE }, (_, index) => rows[Math.floor(index * step)]);
  const { expiresMs, retries } = table.timers(rows);
  const outermost = [...extremes(expiresMs), ...extremes(retries)].map((index) => rows[index]);
  return [...even, ...outermost];
}

/** Where the least and the greatest value stand. */
function extremes(values: ArrayLike<number>): [number, number] {
  let [least, greatest] = [0, 0];
  for (let index = 1; index < values.length; index++) {
    if (values[index] < values[least]) least = index;
    if (values[index] > values[greatest]) greatest = index;
  }
  return [least, greatest];
}

/** All `at`: from the first socket's earliest to the last one's latest time. */
function spanOf(forecasts: readonly Forecast[]): Forecast {
  let last = forecasts[0];
  let earliestMs: number | undefined;
  for (const forecast of forecasts) {
    if ((forecast.latestMs ?? 0) > (last.latestMs ?? 0)) last = forecast;
    if (forecast.earliestMs === undefined) continue;
    earliestMs = Math.min(earliestMs ?? Number.POSITIVE_INFINITY, forecast.earliestMs);
  }
  return { kind: 'at', earliestMs, latestMs: last.latestMs, because: `first to last of the group; ${last.because}` };
}

/** One forecast for a group: the worst kind met, with how many it concerns; a span when all have a time. */
export function groupForecast(refs: RowRefs, context: Pick<RuleContext, 'forecast'>): Forecast {
  const { namespace } = refs;
  const sample = sampled(refs);
  const forecasts = sample.map((row) => context.forecast({ namespace, row }));
  if (forecasts.length === 1) return forecasts[0];
  const worst = WORST_FIRST.find((kind) => forecasts.some((forecast) => forecast.kind === kind)) ?? 'unknown';
  const ofWorst = forecasts.filter(({ kind }) => kind === worst);
  const note = sample.length < refs.length ? ` (worked out for ${thousands(sample.length)} of them)` : '';
  if (worst === 'at') {
    const span = spanOf(forecasts);
    return { ...span, because: `${span.because}${note}` };
  }
  const share =
    ofWorst.length < forecasts.length ? `${thousands(ofWorst.length)} of ${thousands(sample.length)}: ` : '';
  return { kind: worst, because: `${share}${ofWorst[0]?.because ?? 'no socket to forecast'}${note}` };
}
