import { type DrainedPipe, type Measured, measure } from '../lib/child.ts';
import { median, summary, withRange } from '../lib/stats.ts';
import type { Population } from './population.ts';

/** Our program against another that gives the same answer. */
export interface Contest {
  ours: { label: string; argv: readonly string[] };
  theirs: { label: string; argv: readonly string[] };
  /** Our time as a part of theirs, at most. */
  goal: number;
}

export interface Pair {
  ours: Measured;
  theirs: Measured;
  /** Sockets before, between and after. */
  counts: number[];
}

/** One run of each, one directly after the other. */
export async function runPair({ ours, theirs }: Contest, where: Population, output: DrainedPipe): Promise<Pair> {
  const { observeIn } = where;
  const counts = [where.count()];
  const mine = await measure(observeIn.enter(ours.argv), output);
  counts.push(where.count());
  const other = await measure(observeIn.enter(theirs.argv), output);
  counts.push(where.count());
  return { ours: mine, theirs: other, counts };
}

export const CONTEST_HEAD = [
  'ours',
  'ms',
  'against',
  'ms',
  'ratio',
  'goal',
  '',
  'CPU ms',
  'against',
  'sockets, thousands',
] as const;

export function contestRow({ ours, theirs, goal }: Contest, pairs: readonly Pair[]): string[] {
  const mine = summary(pairs.map((pair) => pair.ours.elapsedMs));
  const other = summary(pairs.map((pair) => pair.theirs.elapsedMs));
  // Of each pair by itself: what disturbs the machine for a while disturbs both halves of a pair.
  const ratio = summary(pairs.map((pair) => pair.ours.elapsedMs / pair.theirs.elapsedMs));
  const counts = summary(pairs.flatMap((pair) => pair.counts));
  return [
    ours.label,
    withRange(mine, whole),
    theirs.label,
    withRange(other, whole),
    withRange(ratio, (value) => value.toFixed(2)),
    `≤ ${goal.toFixed(2)}`,
    verdict(ratio.median <= goal),
    whole(median(pairs.map((pair) => pair.ours.cpuMs))),
    whole(median(pairs.map((pair) => pair.theirs.cpuMs))),
    `${(counts.min / 1000).toFixed(0)}–${(counts.max / 1000).toFixed(0)}`,
  ];
}

export function verdict(met: boolean): string {
  return met ? 'met' : 'MISSED';
}

export function whole(value: number): string {
  return value.toFixed(0);
}
