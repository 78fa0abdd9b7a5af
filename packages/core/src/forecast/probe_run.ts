import { formatDuration } from '../duration.ts';
import type { Working } from './input.ts';
import { orphanRetries } from './rto_model.ts';
import type { Span } from './span.ts';
import { granuleMs, leastLateMs } from './timer_wheel.ts';

export interface ProbeRules {
  /** tcp_retries2: limit for owned sockets, and cap of the backoff for all. */
  retries2: number;
  /** tcp_orphan_retries; undefined for owned sockets. */
  orphanRetries?: number;
  /** The RTO without backoff. */
  rtoMs: number;
  rtoMaxMs: number;
}

interface ProbeStart {
  firing: Span;
  /** Probes sent and not answered. */
  probes: number;
  backoff: number;
}

const RTO_MIN_MS = 200;
const MAX_INTERVAL_BACKOFF = 10;
const MAX_FIRINGS = 300;

/** Time between window probes at this backoff (tcp_probe0_when). */
export function probeIntervalMs(backoff: number, rules: Pick<ProbeRules, 'rtoMs' | 'rtoMaxMs'>): number {
  return Math.min(Math.max(rules.rtoMs, RTO_MIN_MS) * 2 ** Math.min(backoff, MAX_INTERVAL_BACKOFF), rules.rtoMaxMs);
}

/** Lets the probe timer fire until the socket dies (tcp_probe_timer); undefined where it never does. */
export function runProbes(
  start: ProbeStart,
  rules: ProbeRules,
  answered: boolean,
  hz: number | undefined,
  steps: Working,
): Span | undefined {
  let { probes, backoff } = start;
  let { earliestMs, latestMs } = start.firing;
  for (let firing = 0; firing < MAX_FIRINGS; firing++) {
    const ends = endsProbing(probes, backoff, rules);
    steps?.push(stepText({ earliestMs, latestMs }, probes, backoff, ends));
    if (ends) return { earliestMs, latestMs };
    const nextBackoff = Math.max(backoff, Math.min(backoff + 1, rules.retries2));
    // Answered, and nothing grows any more: this goes on for ever.
    if (answered && nextBackoff === backoff) return undefined;
    backoff = nextBackoff;
    probes = answered ? 0 : probes + 1;
    const intervalMs = probeIntervalMs(backoff, rules);
    earliestMs += intervalMs + leastLateMs(hz);
    latestMs += intervalMs + granuleMs(intervalMs, hz);
  }
  return undefined;
}

function stepText({ earliestMs, latestMs }: Span, probes: number, backoff: number, ends: boolean): string {
  const when = `in ${formatDuration(earliestMs)} to ${formatDuration(latestMs)}`;
  return `probe timer fires ${when}, ${probes} probes unanswered, backoff ${backoff}: ${ends ? 'gives up' : 'probes again'}`;
}

function endsProbing(probes: number, backoff: number, rules: ProbeRules): boolean {
  if (rules.orphanRetries === undefined) return probes >= rules.retries2;
  const alive = rules.rtoMs * 2 ** backoff < rules.rtoMaxMs;
  const limit = orphanRetries(rules.orphanRetries, alive);
  return probes >= limit || (!alive && backoff >= limit);
}
