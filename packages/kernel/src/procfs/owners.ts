import type { Owner } from '@lastack/core';
import { type DescriptorScan, scanWithFs } from './descriptors.ts';
import { OwnerSearch, type OwnerSearchQuery } from './owner_search.ts';

export interface OwnerQuery extends Omit<OwnerSearchQuery, 'walk'> {
  /** Socket inodes to look for; every other descriptor is ignored. */
  inodes: ReadonlySet<number>;
  /** How descriptor links are read; Node's own functions unless a faster way is given. */
  scan?: DescriptorScan;
}

/** The whole of an OwnerSearch at once, for a few sockets. */
export function findOwners({ inodes, scan = scanWithFs, ...query }: OwnerQuery): Map<number, readonly Owner[]> {
  const owners = new Map<number, readonly Owner[]>();
  if (inodes.size === 0) return owners;
  const walk = function* (...args: Parameters<DescriptorScan>): Generator<undefined, number> {
    yield;
    return scan(...args);
  };
  const found = new OwnerSearch({ ...query, walk }).finish();
  for (const inode of inodes) {
    const holders = found.get(inode);
    if (holders !== undefined) owners.set(inode, holders);
  }
  return owners;
}
