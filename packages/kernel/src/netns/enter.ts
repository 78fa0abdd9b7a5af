import { closeSync, fstatSync, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import type { Note } from '@lastack/core';
import { errorCode, isForbidden, isGone, reasonOf } from '../procfs/errors.ts';

const CLONE_NEWNET = 0x4000_0000;

/** setns(2) as the C library has it: -1 on failure, `errno()` then tells why. */
export interface NamespaceCalls {
  setns(fd: number, type: number): number;
  errno(): number;
}

/** Which namespace to enter, and the words for it in a note. */
export interface NamespaceTarget {
  path: string;
  label: string;
}

export type NamespaceResult<T> = { ok: true; value: T } | { ok: false; note: Note };

/**
 * The thread is in a network namespace that it should have left: nothing may be read or changed any more, because it
 * would be done to the wrong host. End the process.
 */
export class NamespaceReturnError extends Error {
  override readonly name = 'NamespaceReturnError';
}

/**
 * Runs `work` with the calling thread in another network namespace, and comes back whatever happens. `work` must be
 * synchronous: what runs after a promise would run in the wrong namespace. One that vanished or may not be entered
 * gives a note; what `work` throws passes through.
 * @throws NamespaceReturnError when the way back fails
 */
export function withNamespace<T>(
  target: NamespaceTarget,
  calls: NamespaceCalls,
  work: () => T extends PromiseLike<unknown> ? never : T,
  ownPath = '/proc/thread-self/ns/net',
): NamespaceResult<T> {
  const home = openSync(ownPath, 'r');
  let there: number | undefined;
  try {
    there = openSync(target.path, 'r');
    if (sameFile(home, there)) return { ok: true, value: work() };
    const refusal = enter(calls, there);
    if (refusal !== undefined) return { ok: false, note: entryNote(target, refusal) };
    return { ok: true, value: workAndReturn(home, calls, work) };
  } catch (error) {
    if (there !== undefined || errorCode(error) === undefined) throw error;
    return { ok: false, note: entryNote(target, error) };
  } finally {
    if (there !== undefined) closeSync(there);
    closeSync(home);
  }
}

function workAndReturn<T>(home: number, calls: NamespaceCalls, work: () => T): T {
  let failure: unknown;
  try {
    return work();
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    const refusal = enter(calls, home);
    if (refusal !== undefined) {
      const message = `returning to the own network namespace: ${refusal.message}`;
      // biome-ignore lint/correctness/noUnsafeFinally: being in the wrong namespace outweighs any other outcome
      throw new NamespaceReturnError(message, { cause: failure ?? refusal });
    }
  }
}

/** The error that kept the thread where it was, undefined when it moved. */
function enter(calls: NamespaceCalls, fd: number): Error | undefined {
  if (calls.setns(fd, CLONE_NEWNET) === 0) return undefined;
  const errno = calls.errno();
  const code = errno > 0 ? getSystemErrorName(-errno) : 'unknown error';
  return Object.assign(new Error(`setns: ${code}`), { code });
}

/** Entering the namespace one is in already needs no privilege if it is not done. */
function sameFile(left: number, right: number): boolean {
  const [a, b] = [fstatSync(left), fstatSync(right)];
  return a.ino === b.ino && a.dev === b.dev;
}

function entryNote({ label }: NamespaceTarget, error: unknown): Note {
  const what = `network namespace ${label} not read`;
  if (isGone(error)) return { what, because: 'it vanished meanwhile', incomplete: true };
  const because = isForbidden(error) ? 'permission denied' : reasonOf(error);
  return { what, because, todo: 'run as root or with CAP_SYS_ADMIN', incomplete: true };
}
