import type { ClearTarget } from '@lastack/core';
import { lookupSockets } from '@lastack/kernel';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { failedAttempt } from './failures.ts';

/** What a socket that could not be acted upon turns out to be; undefined: it is there, as it was. */
export async function lookAgain(
  { diag }: Pick<ApplyContext, 'diag'>,
  namespaceInode: number,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  try {
    const found = await lookupSockets(diag(namespaceInode), targets);
    return found.map(({ kind }): Attempt | undefined => {
      if (kind === 'there') return undefined;
      if (kind === 'gone') return { outcome: 'already-gone' };
      return { outcome: 'identity-changed', because: 'another connection has these addresses now: left alone' };
    });
  } catch (error) {
    const failed = failedAttempt(error);
    return targets.map(() => failed);
  }
}
