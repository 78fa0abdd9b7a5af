import type { Note, RetuneRefusal, RetuneStep, RetuneWish, SocketOptions } from '@lastack/core';
import type { RetuneResult } from '../engine/retune/apply.ts';
import { countOutcomes, type Guarded, type OutcomeSocketJson, outcomeSocket } from './outcome_json.ts';
import { type ForecastJson, forecastJson } from './socket_json.ts';

export interface RetuneResultJson {
  socket: OutcomeSocketJson;
  outcome: RetuneResult['outcome'] | 'planned' | 'guarded' | 'not-tried';
  options?: { before: SocketOptions; after: SocketOptions };
  forecast?: { before: ForecastJson; after: ForecastJson };
  limits?: readonly string[];
  because?: string;
  todo?: string;
}

/** `lastack.retune/1`: what `retune` did, or with --dry-run would do. */
export interface RetuneJson {
  schema: 'lastack.retune/1';
  host: string;
  at: string;
  dryRun: boolean;
  interrupted: boolean;
  wanted: RetuneWish;
  counts: Record<string, number>;
  /** Of the journal. */
  entries: number[];
  results: RetuneResultJson[];
  notes: Pick<Note, 'what' | 'because' | 'todo'>[];
}

export function retuneJson(
  head: Pick<RetuneJson, 'host' | 'dryRun' | 'interrupted' | 'wanted' | 'entries'> & { atMs: number },
  results: readonly RetuneResultJson[],
  notes: readonly Note[],
): RetuneJson {
  const { host, atMs, dryRun, interrupted, wanted, entries } = head;
  return {
    schema: 'lastack.retune/1',
    host,
    at: new Date(atMs).toISOString(),
    dryRun,
    interrupted,
    wanted,
    counts: countOutcomes(results),
    entries,
    results: [...results],
    notes: notes.map(({ what, because, todo }) => ({ what, because, todo })),
  };
}

export function plannedRetune(step: RetuneStep): RetuneResultJson {
  return { ...stepJson(step), outcome: step.keys.length === 0 ? 'already-so' : 'planned' };
}

export function notTriedRetune(step: RetuneStep): RetuneResultJson {
  const untouched = { before: step.before, after: step.before };
  return { ...stepJson(step), options: untouched, outcome: 'not-tried', because: 'interrupted before its turn' };
}

export function refusedRetune({ target, outcome, because, todo }: RetuneRefusal): RetuneResultJson {
  return { socket: outcomeSocket(target), outcome, because, todo };
}

export function guardedRetune({ target, because }: Guarded): RetuneResultJson {
  return { socket: outcomeSocket(target), outcome: 'guarded', because };
}

export function retunedJson({ step, outcome, after, because, todo }: RetuneResult): RetuneResultJson {
  const { socket, forecast, limits } = stepJson(step);
  if (after === undefined) return { socket, outcome, because, todo };
  return { socket, outcome, options: { before: step.before, after }, forecast, limits, because, todo };
}

function stepJson({ target, before, after, forecast, limits }: RetuneStep): Omit<RetuneResultJson, 'outcome'> {
  return {
    socket: outcomeSocket(target),
    options: { before, after },
    forecast: { before: forecastJson(forecast.before), after: forecastJson(forecast.after) },
    limits,
  };
}
