import type { ClearTarget } from '@lastack/core';

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
