import { randomInt } from 'node:crypto';
import { type ClearTarget, stateName, TcpState } from '@lastack/core';
import { isAfter, portPairFilter, type Segment, type SocketNow } from '@lastack/kernel';
import type { Attempt } from '../remedy.ts';
import { type Bench, vanished } from './bench.ts';
import { acknowledges, type Clock, drain, isBetween, watchUntil } from './capture.ts';
import { type Manner, mannerOf } from './manner.ts';
import { exactReset, spoofedAck, spoofedSyn, type WireEnd, wireEnd } from './packets.ts';

/** A connection that moves on between question and reset is tried again. */
const ROUNDS = 4;
/** Local sockets answer within the call; this much is for a busy machine. */
const ANSWER_MS = 100;
const RATE_LIMIT_SLACK_MS = 20;
/** Somebody may have set the pause between answers to an hour. */
const LONGEST_PAUSE_MS = 10_000;

const SEQUENCE_NUMBERS = 2 ** 32;

/** undefined: interrupted before anything was sent. */
export async function resetByChallenge(
  bench: Bench,
  clock: Clock,
  signal: AbortSignal,
  target: ClearTarget,
): Promise<Attempt | undefined> {
  const ends = { local: wireEnd(target.local), remote: wireEnd(target.remote) };
  bench.tap.filter(portPairFilter(ends.local.port, ends.remote.port));
  const pauseMs = Math.min(Math.max(bench.rateLimitMs + RATE_LIMIT_SLACK_MS, ANSWER_MS), LONGEST_PAUSE_MS);
  const sequence = randomInt(SEQUENCE_NUMBERS);
  let wasAnswered = false;
  for (let round = 0; round < ROUNDS; round++) {
    if (signal.aborted) return round === 0 ? undefined : { outcome: 'applied', because: 'interrupted' };
    const before = await bench.look(target);
    if (before.kind !== 'there') return round > 0 ? { outcome: 'applied' } : vanished(before);
    const manner = mannerNow(before);
    if (manner === undefined || manner === 'own-syn') return changedState(before);
    if (isProtected(before, bench)) return PROTECTED;
    // What SYNs do not reach for a firewall rule, an ACK may; outside of the window at one of two opposite numbers.
    const probe =
      manner === 'syn' && (round % 2 === 0 || isHalfOpen(before))
        ? spoofedSyn(ends.remote, ends.local, sequence)
        : spoofedAck(ends.remote, ends.local, opposite(sequence, round), randomInt(SEQUENCE_NUMBERS));
    drain(bench.tap);
    bench.sender.send(probe, target.interfaceIndex);
    const expected = await answer(bench, clock, signal, ends, pauseMs);
    if (expected === undefined) continue;
    // Taken before the next look, not after it: behind the look it could already be the number of a successor.
    const latest = latestOf(drain(bench.tap), ends) ?? expected;
    // Still the same socket after the answer, so it was the one that answered: no two share an address pair. Should
    // another take its place right now, the number would not be the one that it expects.
    const after = await bench.look(target);
    if (after.kind === 'reused') return vanished(after);
    // A peer that knows nothing of the connection answers the stray ACK with a reset of its own.
    if (after.kind === 'gone') return { outcome: 'applied' };
    wasAnswered = true;
    bench.sender.send(exactReset(ends.remote, ends.local, latest), target.interfaceIndex);
    if ((await bench.look(target)).kind !== 'there') return { outcome: 'applied' };
    await clock.sleep(pauseMs);
  }
  return { outcome: 'applied', because: wasAnswered ? MOVED_ON : SILENT };
}

const SILENT = 'it answered no probe: a firewall rule here may drop them, or the answers are rationed';
const MOVED_ON = 'resets did not end it: its numbers moved on, or a firewall rule here drops them';
const PROTECTED: Attempt = {
  outcome: 'unsupported',
  because: 'in TIME_WAIT resets are ignored here (net.ipv4.tcp_rfc1337 is 1)',
  todo: 'use destroy',
};

function mannerNow({ table, row }: Extract<SocketNow, { kind: 'there' }>): Manner | undefined {
  return mannerOf({ state: table.state(row), kind: table.kind(row) });
}

function isHalfOpen({ table, row }: Extract<SocketNow, { kind: 'there' }>): boolean {
  return table.kind(row) === 'request';
}

function changedState({ table, row }: Extract<SocketNow, { kind: 'there' }>): Attempt {
  return { outcome: 'unsupported', because: `it is in ${stateName(table.state(row))} now` };
}

function isProtected({ table, row }: Extract<SocketNow, { kind: 'there' }>, { protectsTimeWait }: Bench): boolean {
  return protectsTimeWait && table.state(row) === TcpState.TIME_WAIT;
}

interface Ends {
  local: WireEnd;
  remote: WireEnd;
}

/** A window is at most 2^30 wide: not both of a number and its opposite can be inside. Two rounds each. */
function opposite(sequence: number, round: number): number {
  return (sequence ^ ((round >> 1) << 31)) >>> 0;
}

/** The number that the socket expects next, from its answer; undefined when it gave none within the pause. */
async function answer(
  { tap }: Bench,
  clock: Clock,
  signal: AbortSignal,
  ends: Ends,
  pauseMs: number,
): Promise<number | undefined> {
  let expected: number | undefined;
  await watchUntil(tap, clock, signal, clock.monotonicMs() + pauseMs, (segments) => {
    expected = latestOf(segments, ends);
    return expected !== undefined;
  });
  return expected;
}

function latestOf(segments: readonly Segment[], { local, remote }: Ends): number | undefined {
  let latest: number | undefined;
  for (const segment of segments) {
    if (!isBetween(segment, local, remote) || !acknowledges(segment)) continue;
    const { acknowledgment } = segment.tcp;
    if (latest === undefined || isAfter(acknowledgment, latest)) latest = acknowledgment;
  }
  return latest;
}
