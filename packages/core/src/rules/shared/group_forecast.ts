import type { RuleContext, SocketRef } from '../../finding.ts';
import type { Forecast } from '../../forecast/forecast.ts';
import { FORECAST_SAMPLE } from './thresholds.ts';
import { thousands } from './words.ts';

type Kind = Forecast['kind'];
/** A group is as bad as its worst socket. */
const WORST_FIRST: readonly Kind[] = ['never', 'unknown', 'when', 'at'];

/** An even sample of a large group, and with it the sockets whose timers lie farthest out: they make the span. */
function sampled(refs: readonly SocketRef[]): readonly SocketRef[] {
  if (refs.length <= FORECAST_SAMPLE) return refs;
  const step = refs.length / FORECAST_SAMPLE;
  const even = Array.from({ length: FORECAST_SAMPLE }, (_, index) => refs[Math.floor(index * step)]);
  const readings = [
    ({ namespace: { table }, row }: SocketRef) => table.timerExpiresMs(row),
    ({ namespace: { table }, row }: SocketRef) => table.timerRetries(row),
  ];
  return [...even, ...readings.flatMap((read) => extremes(refs, read))];
}

function extremes(refs: readonly SocketRef[], read: (ref: SocketRef) => number): SocketRef[] {
  let [least, most] = [refs[0], refs[0]];
  let [min, max] = [read(least), read(most)];
  for (const ref of refs) {
    const value = read(ref);
    if (value < min) [least, min] = [ref, value];
    if (value > max) [most, max] = [ref, value];
  }
  return [least, most];
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
export function groupForecast(refs: readonly SocketRef[], context: Pick<RuleContext, 'forecast'>): Forecast {
  if (refs.length === 1) return context.forecast(refs[0]);
  const sample = sampled(refs);
  const forecasts = sample.map((ref) => context.forecast(ref));
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
