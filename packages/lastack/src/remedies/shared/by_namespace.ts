import type { ClearTarget } from '@lastack/core';
import type { Attempt } from '../remedy.ts';

/** Positions of the targets by the namespace they are in, in order. */
export function positionsByNamespace(targets: readonly ClearTarget[]): Map<number, number[]> {
  const positions = new Map<number, number[]>();
  targets.forEach(({ namespaceInode }, index) => {
    const known = positions.get(namespaceInode);
    if (known) known.push(index);
    else positions.set(namespaceInode, [index]);
  });
  return positions;
}

/** Works on one namespace after the other; the attempts come back in the order of the targets. */
export async function attemptsByNamespace(
  targets: readonly ClearTarget[],
  work: (namespaceInode: number, ofNamespace: readonly ClearTarget[]) => Promise<readonly (Attempt | undefined)[]>,
): Promise<(Attempt | undefined)[]> {
  const attempts: (Attempt | undefined)[] = Array(targets.length).fill(undefined);
  for (const [inode, positions] of positionsByNamespace(targets)) {
    const made = await work(
      inode,
      positions.map((position) => targets[position]),
    );
    positions.forEach((position, index) => {
      attempts[position] = made[index];
    });
  }
  return attempts;
}
