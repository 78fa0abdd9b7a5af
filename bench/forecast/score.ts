import type { Forecast } from '@lastack/core';
import { median } from '../lib/stats.ts';

/** A forecast and what happened: the socket died between the two times, milliseconds from the forecast. */
export interface Sample {
  forecast: Forecast;
  fromMs: number;
  toMs: number;
}

export interface Score {
  samples: number;
  /** Samples with the truth in the forecast's span (of two separate spans: in either). */
  inside: number;
  /** Samples whose forecast named no time although the socket died. */
  silent: number;
  /** Samples whose forecast named two separate spans. */
  split: number;
  /** Median of |middle − truth| / truth; of two spans the nearer one counts. */
  medianRelativeError: number;
  /** How far the truth was outside at the worst. */
  worstMissMs: number;
  /** Median of latest − earliest over everything the forecast allows. */
  medianWidthMs: number;
}

interface Span {
  earliestMs: number;
  latestMs: number;
}

export function score(samples: readonly Sample[]): Score {
  const judged = samples.flatMap((sample) => {
    const spans = spansOf(sample.forecast);
    return spans.length === 0 ? [] : [{ sample, spans }];
  });
  const misses = judged.map(({ sample, spans }) => Math.min(...spans.map((span) => missOf(span, sample))));
  return {
    samples: samples.length,
    inside: misses.filter((missMs) => missMs === 0).length,
    silent: samples.length - judged.length,
    split: judged.filter(({ spans }) => spans.length > 1).length,
    medianRelativeError: median(judged.map(({ sample, spans }) => relativeError(spans, sample))),
    worstMissMs: Math.max(0, ...misses),
    medianWidthMs: median(judged.map(({ spans }) => spans[spans.length - 1].latestMs - spans[0].earliestMs)),
  };
}

/** Although the socket died. */
export function namesNoTime({ forecast }: Sample): boolean {
  return spansOf(forecast).length === 0;
}

function spansOf({ kind, earliestMs, latestMs, modes }: Forecast): readonly Span[] {
  if (kind === 'never' || kind === 'unknown') return [];
  if (modes && modes.length > 0) return modes;
  if (earliestMs === undefined || latestMs === undefined) return [];
  return [{ earliestMs, latestMs }];
}

/** 0 when the moment of death, which is known only as a window, can have been inside. */
function missOf({ earliestMs, latestMs }: Span, { fromMs, toMs }: Sample): number {
  return Math.max(0, earliestMs - toMs, fromMs - latestMs);
}

function relativeError(spans: readonly Span[], { fromMs, toMs }: Sample): number {
  const truthMs = (fromMs + toMs) / 2;
  const errors = spans.map(({ earliestMs, latestMs }) => Math.abs((earliestMs + latestMs) / 2 - truthMs));
  return Math.min(...errors) / truthMs;
}
