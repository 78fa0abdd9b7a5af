import { type ClearTarget, stateName, TcpState } from '@lastack/core';
import type { Segment } from '@lastack/kernel';
import type { Attempt } from '../remedy.ts';
import { type Bench, vanished } from './bench.ts';
import { type Clock, isBetween, isConnectionAttempt, watchUntil } from './capture.ts';
import { refusal, type WireEnd, wireEnd } from './packets.ts';

/** Kernel timers may fire late by an eighth of their delay. */
const TIMER_LATENESS = 1.125;
const SLACK_MS = 1_000;

interface Waiting {
  target: ClearTarget;
  index: number;
  local: WireEnd;
  remote: WireEnd;
}

/**
 * Ends connection attempts (SYN_SENT) by refusing them as the peer would: each one's own next SYN, which its timer
 * sends, has the number that a refusal must name. They are waited for side by side, and as long as their timers say.
 * @returns undefined for those that were not tried before the signal
 */
export async function refuseAttempts(
  bench: Bench,
  clock: Clock,
  signal: AbortSignal,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  const attempts = new Array<Attempt | undefined>(targets.length).fill(undefined);
  let waiting: Waiting[] = [];
  let untilMs = clock.monotonicMs();
  for (const [index, target] of targets.entries()) {
    const now = await bench.look(target);
    attempts[index] = vanished(now) ?? elsewhere(now);
    if (attempts[index] || now.kind !== 'there') continue;
    waiting.push({ target, index, local: wireEnd(target.local), remote: wireEnd(target.remote) });
    const dueMs = now.table.timerExpiresMs(now.row) * TIMER_LATENESS + SLACK_MS;
    untilMs = Math.max(untilMs, clock.monotonicMs() + dueMs);
  }
  while (waiting.length > 0 && !signal.aborted && clock.monotonicMs() < untilMs) {
    for (const [one, segment] of await nextAttempts(bench, clock, signal, untilMs, waiting)) {
      attempts[one.index] = await refuseOne(bench, one, segment);
      waiting = waiting.filter((other) => other !== one);
    }
  }
  if (!signal.aborted) for (const { index } of waiting) attempts[index] = { outcome: 'applied', because: NO_SYN };
  return attempts;
}

const NO_SYN = 'it sent no SYN that could be refused before the time its timer gave';

async function nextAttempts(
  { attempts }: Bench,
  clock: Clock,
  signal: AbortSignal,
  untilMs: number,
  waiting: readonly Waiting[],
): Promise<Map<Waiting, Segment>> {
  const found = new Map<Waiting, Segment>();
  if (!attempts) return found;
  await watchUntil(attempts, clock, signal, untilMs, (segments) => {
    for (const segment of segments) {
      if (!isConnectionAttempt(segment)) continue;
      const one = waiting.find(({ local, remote }) => isBetween(segment, local, remote));
      if (one) found.set(one, segment);
    }
    return found.size > 0;
  });
  return found;
}

async function refuseOne(bench: Bench, { target, local, remote }: Waiting, { tcp }: Segment): Promise<Attempt> {
  // The same socket after its SYN: so it was the one that sent it.
  const now = await bench.look(target);
  const other = vanished(now) ?? elsewhere(now);
  if (other) return other;
  bench.sender.send(refusal(remote, local, tcp.sequence), target.interfaceIndex);
  return { outcome: 'applied' };
}

function elsewhere(now: Awaited<ReturnType<Bench['look']>>): Attempt | undefined {
  if (now.kind !== 'there' || now.table.state(now.row) === TcpState.SYN_SENT) return undefined;
  return { outcome: 'unsupported', because: `it is in ${stateName(now.table.state(now.row))} now` };
}
