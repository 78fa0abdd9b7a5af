import type { ClearTarget } from '@lastack/core';
import { DestroyCode, destroySockets, KernelError, type NetlinkTransport } from '@lastack/kernel';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { attemptsByNamespace } from '../shared/by_namespace.ts';
import { failedAttempt } from '../shared/failures.ts';
import { lookAgain } from '../shared/look_again.ts';
import { recorded } from '../shared/recorded.ts';

const EPERM = 1;
const ENOENT = 2;
const EOPNOTSUPP = 95;

export function applyDestroy(context: ApplyContext, targets: readonly ClearTarget[]): Promise<(Attempt | undefined)[]> {
  return recorded(context, 'destroy', targets, async (batch, done) => {
    let dealtWith = done;
    return attemptsByNamespace(batch, async (namespaceInode, ofNamespace) => {
      if (context.signal.aborted) return [];
      const made = await destroyIn(context, namespaceInode, ofNamespace);
      dealtWith += made.length;
      context.progress(dealtWith);
      return made;
    });
  });
}

async function destroyIn(
  context: ApplyContext,
  namespaceInode: number,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  let codes: Int16Array;
  try {
    codes = await destroyTwice(context, context.diag(namespaceInode), targets);
  } catch (error) {
    const failed = failedAttempt(error);
    return targets.map(() => failed);
  }
  const attempts = Array.from(codes, attemptOf);
  // The kernel says the same of a socket that is gone and of one whose address another has now.
  const missing = targets.flatMap((_, index) => (codes[index] === ENOENT ? [index] : []));
  const now = await lookAgain(
    context,
    namespaceInode,
    missing.map((index) => targets[index]),
  );
  missing.forEach((index, position) => {
    attempts[index] = now[position] ?? {
      outcome: 'unsupported',
      because: 'the kernel lists it but does not find it by its addresses',
    };
  });
  return attempts;
}

/** Where answers were lost the same is asked again: a second time it can only hit the same socket, or none. */
async function destroyTwice(
  { signal }: ApplyContext,
  transport: NetlinkTransport,
  targets: readonly ClearTarget[],
): Promise<Int16Array> {
  const codes = await destroySockets(transport, targets, { signal });
  const unknown = targets.flatMap((_, index) => (codes[index] === DestroyCode.UNKNOWN ? [index] : []));
  if (unknown.length === 0) return codes;
  const again = await destroySockets(
    transport,
    unknown.map((index) => targets[index]),
  );
  unknown.forEach((index, position) => {
    const code = again[position];
    // Not there the second time: the first may have done it. Looking again will tell whether it is gone.
    codes[index] = code === ENOENT || code < 0 ? DestroyCode.DONE : code;
  });
  return codes;
}

function attemptOf(code: number): Attempt | undefined {
  switch (code) {
    case DestroyCode.DONE:
      return { outcome: 'applied' };
    case DestroyCode.NOT_TRIED:
      return undefined;
    case DestroyCode.UNIDENTIFIED:
      return { outcome: 'unsupported', because: 'the kernel gave no identity (cookie) for it' };
    case EPERM:
      return {
        outcome: 'not-permitted',
        because: 'the kernel asks for CAP_NET_ADMIN in its network namespace (EPERM)',
        todo: 'run as root or with CAP_NET_ADMIN',
      };
    case EOPNOTSUPP:
      return { outcome: 'unsupported', because: 'this kernel cannot end sockets in this state (EOPNOTSUPP)' };
    default:
      return { outcome: 'unsupported', because: new KernelError('ending the socket', code).message };
  }
}
