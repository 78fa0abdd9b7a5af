import { constants as osConstants } from 'node:os';
import { type ClearTarget, formatDuration } from '@lastack/core';
import type { Effects } from '../../effects.ts';
import { readLife } from '../../journal/process_life.ts';
import { compactTargets, TARGETS_PER_ENTRY } from '../../journal/target_data.ts';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { positionsByNamespace } from '../shared/by_namespace.ts';
import { lookAgain } from '../shared/look_again.ts';
import { type Holder, holdersOf, holdsAny, stillHolds } from './process_hold.ts';
import { protectedProcesses } from './protected.ts';

export const SIGNALS = ['HUP', 'TERM', 'KILL'] as const;
export type SignalName = (typeof SIGNALS)[number];

const NUMBERS = {
  HUP: osConstants.signals.SIGHUP,
  TERM: osConstants.signals.SIGTERM,
  KILL: osConstants.signals.SIGKILL,
};
/** A program may take its time to end; what it does at SIGHUP is done soon or not at all. */
const PATIENCE_MS = { HUP: 2000, TERM: 5000, KILL: 2000 };
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 200;
const { EPERM, ESRCH } = osConstants.errno;

/** A process that is meant, open so that its number cannot come to mean another one. */
interface Opened {
  holder: Holder;
  pidfd: number;
  /** Why it is not signalled; undefined = it may be. */
  refused?: Attempt;
}

/** One attempt per target; a target is only acted upon if every process that holds it may be signalled. */
export async function signalHolders(
  context: ApplyContext,
  signal: SignalName,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  const { effects } = context;
  const reasons = await protectedProcesses(effects);
  const opened = new Map<number, Opened>();
  try {
    for (const [pid, holder] of holdersOf(targets)) opened.set(pid, openHolder(effects, holder, reasons.get(pid)));
    const attempts = targets.map(({ owners }) => refusalAmong(owners.map(({ pid }) => opened.get(pid))));
    const meant = new Set(
      targets.flatMap(({ owners }, index) => (attempts[index] ? [] : owners.map(({ pid }) => pid))),
    );
    const chosen = [...meant].flatMap((pid) => opened.get(pid) ?? []).filter(({ refused }) => !refused);
    const sent = new Map<number, string | undefined>();
    await sendAll(context, signal, chosen, sent);
    const made = targets.map(({ owners }, index) => attempts[index] ?? outcomeOf(owners, opened, sent));
    return await lookAgainAtReleased(context, targets, made);
  } finally {
    for (const { pidfd } of opened.values()) if (pidfd >= 0) effects.libc().close(pidfd);
  }
}

/** Opens the process first and looks at what it holds then: as long as it lives its number is its own. */
function openHolder(effects: Effects, holder: Holder, reason: string | undefined): Opened {
  const { pid, command } = holder;
  const name = `${command} (pid ${pid})`;
  if (reason)
    return { holder, pidfd: -1, refused: { outcome: 'not-permitted', because: `${name} is left alone: ${reason}` } };
  const libc = effects.libc();
  const pidfd = libc.pidfdOpen(pid);
  if (pidfd < 0) return { holder, pidfd, refused: failure(libc.errno(), name) };
  const isHolding = holdsAny(effects, holder);
  if (libc.pidfdSendSignal(pidfd, 0) < 0) return { holder, pidfd, refused: failure(libc.errno(), name) };
  return isHolding ? { holder, pidfd } : { holder, pidfd, refused: letGo(name) };
}

function letGo(name: string): Attempt {
  return {
    outcome: 'identity-changed',
    because: `${name} does not hold it any more, or is another process of that number: it was not signalled`,
  };
}

/** A socket whose holders are gone may be gone as well: only the kernel knows. */
async function lookAgainAtReleased(
  context: ApplyContext,
  targets: readonly ClearTarget[],
  attempts: (Attempt | undefined)[],
): Promise<(Attempt | undefined)[]> {
  const released = targets.flatMap((_, index) => (attempts[index]?.outcome === 'identity-changed' ? [index] : []));
  const result = [...attempts];
  for (const [inode, positions] of positionsByNamespace(released.map((index) => targets[index]))) {
    const found = await lookAgain(
      context,
      inode,
      positions.map((position) => targets[released[position]]),
    );
    positions.forEach((position, at) => {
      const index = released[position];
      const still: Attempt = { outcome: 'unsupported', because: attempts[index]?.because, todo: 'run it again' };
      result[index] = found[at] ?? still;
    });
  }
  return result;
}

function failure(errno: number, name: string): Attempt {
  if (errno === ESRCH) return { outcome: 'identity-changed', because: `${name} has ended meanwhile` };
  if (errno === EPERM) {
    return { outcome: 'not-permitted', because: `${name} belongs to another user`, todo: 'run as root' };
  }
  return {
    outcome: 'unsupported',
    because: `${name} could not be opened (errno ${errno})`,
    todo: 'use Linux 5.3 or later',
  };
}

/** A holder that let go is no obstacle as long as another still holds the socket; any other refusal is. */
function refusalAmong(holders: readonly (Opened | undefined)[]): Attempt | undefined {
  const refusals = holders.flatMap((one) => one?.refused ?? []);
  const hard = refusals.find(({ outcome }) => outcome !== 'identity-changed');
  if (hard) return hard;
  return refusals.length === holders.length ? (refusals[0] ?? NOT_HELD) : undefined;
}

const NOT_HELD: Attempt = { outcome: 'unsupported', because: 'no process holds it' };

/** Signals all, then waits for all. @param sent filled with what remains of each, undefined where nothing does */
async function sendAll(
  context: ApplyContext,
  signal: SignalName,
  chosen: readonly Opened[],
  sent: Map<number, string | undefined>,
): Promise<void> {
  const { effects, journal } = context;
  const libc = effects.libc();
  const entries = new Map<Opened, { id: number; summary: string }>();
  for (const one of chosen) {
    if (context.signal.aborted) break;
    const { pid, command, holdings } = one.holder;
    const sockets = `${holdings.length} ${holdings.length === 1 ? 'socket' : 'sockets'}`;
    const summary = `SIG${signal} to ${command} (pid ${pid}), which holds ${sockets} of those meant`;
    const targets = compactTargets(holdings.slice(0, TARGETS_PER_ENTRY).map(({ target }) => target));
    const id = journal.begin({ action: 'signal', summary, data: { pid, signal, targets } });
    const errno = libc.pidfdSendSignal(one.pidfd, NUMBERS[signal]) < 0 ? libc.errno() : 0;
    if (errno === 0 || errno === ESRCH) {
      sent.set(pid, undefined);
      entries.set(one, { id, summary });
    } else {
      one.refused = failure(errno, `${command} (pid ${pid})`);
      journal.end(id, { action: 'signal', summary: `not sent: ${one.refused.because}` });
    }
  }
  const left = await waitFor(context, [...entries.keys()], PATIENCE_MS[signal]);
  for (const [one, { id }] of entries) {
    const { pid, command } = one.holder;
    const after = `${formatDuration(PATIENCE_MS[signal])} after SIG${signal}`;
    const remains = left.has(one) ? `${command} (pid ${pid}) still holds it ${after}` : undefined;
    sent.set(pid, remains);
    journal.end(id, { action: 'signal', summary: remains ?? 'it has ended, or let go of the sockets' });
  }
}

/** @returns those that neither ended nor let go in time */
async function waitFor(context: ApplyContext, signalled: readonly Opened[], patienceMs: number): Promise<Set<Opened>> {
  const { effects } = context;
  const until = effects.monotonicMs() + patienceMs;
  let left = [...signalled];
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    left = left.filter((one) => isAlive(effects, one) && stillHolds(effects.procRoot, one.holder));
    context.progress(signalled.length - left.length);
    if (left.length === 0 || context.signal.aborted || effects.monotonicMs() >= until) return new Set(left);
    await effects.sleep(pause);
  }
}

function isAlive(effects: Effects, { holder, pidfd }: Opened): boolean {
  if (effects.libc().pidfdSendSignal(pidfd, 0) < 0) return false;
  return readLife(effects.procRoot, holder.pid)?.isZombie === false;
}

/** undefined: interrupted before its turn came. */
function outcomeOf(
  owners: ClearTarget['owners'],
  opened: ReadonlyMap<number, Opened>,
  sent: ReadonlyMap<number, string | undefined>,
): Attempt | undefined {
  const hard = refusalAmong(owners.map(({ pid }) => opened.get(pid)));
  if (hard) return hard;
  const signalled = owners.filter(({ pid }) => sent.has(pid));
  if (signalled.length === 0) return undefined;
  const remains = signalled.flatMap(({ pid }) => sent.get(pid) ?? []);
  return { outcome: 'applied', ...(remains.length > 0 && { remains: [...new Set(remains)].join('; ') }) };
}
