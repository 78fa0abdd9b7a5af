import { readlinkSync } from 'node:fs';
import type { Owner, SocketOwners } from '@lastack/core';
import { errorCode, isGone } from './errors.ts';
import { numericEntries } from './process.ts';

/**
 * The same owners, without those that held a shared socket only for a moment: a child between fork and exec, or a
 * process that duplicated the descriptor to ask something of the socket, as lastack itself does. Whoever is one of
 * several holders is looked at a second time when the socket is asked for; a sole holder is never doubted.
 */
export function lastingOwners(procRoot: string, owners: SocketOwners): SocketOwners {
  const lasting = new Map<number, readonly Owner[]>();
  return {
    solePid: owners.solePid,
    soleFd: owners.soleFd,
    get: (inode) => {
      const found = owners.get(inode);
      if (found === undefined || found.length < 2) return found;
      let confirmed = lasting.get(inode);
      if (!confirmed) {
        const still = found.filter((owner) => stillHolds(procRoot, owner, inode));
        // All gone: the socket is being closed, and who held it is worth more than nobody.
        confirmed = still.length > 0 ? still : found;
        lasting.set(inode, confirmed);
      }
      return confirmed;
    },
  };
}

function stillHolds(procRoot: string, { pid, fd }: Owner, inode: number): boolean {
  const held = pointsTo(`${procRoot}/${pid}/fd/${fd}`, inode);
  if (held !== undefined) return held;
  // A first thread that ended shows no descriptors; the table lives on in the others.
  return threadsOf(procRoot, pid).some(
    (tid) => tid !== pid && pointsTo(`${procRoot}/${pid}/task/${tid}/fd/${fd}`, inode),
  );
}

function threadsOf(procRoot: string, pid: number): number[] {
  try {
    return numericEntries(`${procRoot}/${pid}/task`);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}

/** Undefined when there is no such descriptor. One that may not be read speaks against nobody. */
function pointsTo(link: string, inode: number): boolean | undefined {
  try {
    return readlinkSync(link) === `socket:[${inode}]`;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return isGone(error) ? undefined : true;
  }
}
