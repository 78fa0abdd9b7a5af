import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClearTarget, MeansId, Refusal } from '@lastack/core';
import { KernelError, type Libc, readCookie, withDuplicate } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { isRefusedPermission } from './failures.ts';
import { lookAgain } from './look_again.ts';
import { recorded } from './recorded.ts';

/** Works on a duplicate of the program's descriptor. @throws KernelError */
export type DescriptorWork = (libc: Libc, duplicate: number) => void;

const ESRCH = 3;
const EBADF = 9;
const ENOSYS = 38;
const EBUSY = 16;
const ENOTCONN = 107;

/** Ctrl-C is heard after so many: the work itself is synchronous. */
const TURN = 32;

/** Does the work on one holder's descriptor of each target: all of a socket's descriptors are the same socket. */
export function applyOnDescriptors(
  context: ApplyContext,
  means: MeansId,
  targets: readonly ClearTarget[],
  work: DescriptorWork,
): Promise<(Attempt | undefined)[]> {
  return recorded(context, means, targets, async (batch, done) => {
    const attempts: (Attempt | undefined)[] = [];
    for (const target of batch) {
      if (attempts.length % TURN === 0) await nextTurn();
      if (context.signal.aborted) break;
      attempts.push(await attemptOn(context, target, work));
      if (attempts.length % TURN === 0) context.progress(done + attempts.length);
    }
    context.progress(done + attempts.length);
    return batch.map((_, index) => attempts[index]);
  });
}

async function attemptOn(context: ApplyContext, target: ClearTarget, work: DescriptorWork): Promise<Attempt> {
  const result = await workOnDescriptor(context, target, work);
  return 'value' in result ? { outcome: 'applied' } : result;
}

/** Why there was no descriptor of the target to work on. */
export interface NoDescriptor extends Attempt {
  outcome: Exclude<Attempt['outcome'], 'applied'>;
  /** The descriptor by which the target was held is another socket now: what it was, and whose. */
  reused?: { pid: number; fd: number };
}

/** Does the work on the first descriptor that is still the target, and gives what it returned. */
export async function workOnDescriptor<T>(
  context: Pick<ApplyContext, 'effects' | 'diag'>,
  target: ClearTarget,
  work: (libc: Libc, duplicate: number) => T,
): Promise<{ value: T } | NoDescriptor> {
  const libc = context.effects.libc();
  let refused: NoDescriptor | undefined;
  let reused: NoDescriptor['reused'];
  for (const { pid, fd } of target.owners) {
    try {
      const result = withDuplicate(libc, pid, fd, (duplicate) => {
        // The duplicate keeps its socket: what is true of it here is true below.
        const cookie = readCookie(libc, duplicate);
        if (cookie === target.cookie) return { value: work(libc, duplicate) };
        if (cookie !== undefined) reused = { pid, fd };
        return undefined;
      });
      if (result) return result;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      // The process, or its descriptor, went away meanwhile, as they may.
      if (error.errno === ESRCH || error.errno === EBADF) continue;
      if (error.errno === ENOTCONN) return { outcome: 'already-gone', because: 'it has no connection any more' };
      refused = refusalOf(error);
    }
  }
  if (refused) return refused;
  const [now] = await lookAgain(context, target.namespaceInode, [target]);
  if (now) return { ...(now as NoDescriptor), reused };
  return { outcome: 'unsupported', because: 'no process holds it any more where it was seen', todo: 'run it again' };
}

function refusalOf(error: KernelError): NoDescriptor {
  if (isRefusedPermission(error)) {
    return {
      outcome: 'not-permitted',
      because: error.message,
      todo: error.todo ?? 'run as root or with CAP_SYS_PTRACE',
    };
  }
  if (error.errno === EBUSY) {
    const todo = 'try again, or use another means';
    return { outcome: 'unsupported', because: 'its program waits in a call on it, and this kernel then refuses', todo };
  }
  return { outcome: 'unsupported', because: error.message, todo: error.todo };
}

/** Why no descriptor of the socket can be worked on; undefined when one may be. */
export function refuseWithoutHolder({ kind, owners }: ClearTarget): Refusal | undefined {
  const todo = 'use destroy or reset';
  if (kind === 'unaccepted')
    return { outcome: 'unsupported', because: 'no program has a descriptor yet: it waits to be accepted', todo };
  if (kind !== 'full') return { outcome: 'unsupported', because: 'no program holds it', todo };
  if (owners.length > 0) return undefined;
  return {
    outcome: 'not-permitted',
    because: 'the process that holds it could not be seen',
    todo: 'run as root or with CAP_SYS_PTRACE',
  };
}

/** Whether descriptors can be duplicated here, tried on an own one. Whose else may be is only told by each. */
export async function probeDuplicates({ libc, pid }: Effects): Promise<Refusal | undefined> {
  const calls = libc();
  const pidfd = calls.pidfdOpen(pid);
  const duplicate = pidfd < 0 ? -1 : calls.pidfdGetfd(pidfd, pidfd);
  const errno = duplicate < 0 ? calls.errno() : 0;
  if (duplicate >= 0) calls.close(duplicate);
  if (pidfd >= 0) calls.close(pidfd);
  if (errno === 0) return undefined;
  const { code } = new KernelError('duplicating a descriptor', errno);
  const todo = errno === ENOSYS ? 'use Linux 5.6 or later' : 'allow pidfd_getfd (a seccomp policy forbids it)';
  return { outcome: 'unsupported', because: `descriptors of other programs cannot be duplicated (${code})`, todo };
}
