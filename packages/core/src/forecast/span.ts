import type { Forecast } from './forecast.ts';

/** A closed interval of milliseconds. */
export interface Span {
  earliestMs: number;
  latestMs: number;
}

/** `at` or `when` with one or more separate times, which need not be in order or disjoint. */
export function timed(kind: 'at' | 'when', because: string, spans: readonly Span[]): Forecast {
  const modes = merge(spans);
  if (modes.length === 0) return { kind, because };
  const forecast: Forecast = {
    kind,
    earliestMs: modes[0].earliestMs,
    latestMs: modes[modes.length - 1].latestMs,
    because,
  };
  if (modes.length > 1) forecast.modes = modes;
  return forecast;
}

/** In order, rounded outwards to whole milliseconds; overlapping and touching ones joined. */
function merge(spans: readonly Span[]): Span[] {
  if (spans.length === 1) return [rounded(spans[0])];
  const merged: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.earliestMs - b.earliestMs)) {
    const last = merged.at(-1);
    const next = rounded(span);
    if (last && next.earliestMs <= last.latestMs) last.latestMs = Math.max(last.latestMs, next.latestMs);
    else merged.push(next);
  }
  return merged;
}

function rounded({ earliestMs, latestMs }: Span): Span {
  return { earliestMs: Math.max(0, Math.floor(earliestMs)), latestMs: Math.ceil(latestMs) };
}
