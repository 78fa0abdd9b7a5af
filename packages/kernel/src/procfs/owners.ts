import type { Note, Owner } from '@lastack/core';
import { readCgroup } from './cgroup.ts';
import { type DescriptorScan, scanWithFs } from './descriptors.ts';
import { isGone, reasonOf } from './errors.ts';
import { isKernelThread, listPids, numericEntries, readCommand } from './process.ts';

export interface OwnerQuery {
  procRoot: string;
  /** Socket inodes to look for; every other descriptor is ignored. */
  inodes: ReadonlySet<number>;
  /** How descriptor links are read; Node's own functions unless a faster way is given. */
  scan?: DescriptorScan;
  onNote(note: Note): void;
  /** Told of every epoll set that the search passes by, so that nobody need search again for them. */
  onEventpoll?(pid: number, fd: number): void;
}

type Holder = Omit<Owner, 'fd'>;

/**
 * Who holds which socket, by inode: every process and descriptor, in ascending order. Threads share their process's
 * descriptors and are not searched. A process whose descriptors may not be read is counted in a note.
 */
export function findOwners(query: OwnerQuery): Map<number, Owner[]> {
  const { procRoot, inodes, onNote } = query;
  const owners = new Map<number, Owner[]>();
  if (inodes.size === 0) return owners;
  const pids = listPids(procRoot);
  const refusals = new Map<string, number>();
  for (const pid of pids) {
    try {
      searchProcess(query, pid, owners);
    } catch (error) {
      if (isGone(error) || isKernelThread(procRoot, pid)) continue;
      const reason = reasonOf(error);
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
    }
  }
  for (const [reason, count] of refusals) onNote(unreadableNote(count, reason));
  // Every pid namespace has a process 1: a list without it was filtered by the mount option hidepid.
  if (!pids.includes(1)) onNote(HIDDEN_NOTE);
  return owners;
}

function searchProcess(query: OwnerQuery, pid: number, owners: Map<number, Owner[]>): void {
  const { procRoot, inodes, onEventpoll, scan = scanWithFs } = query;
  let holder: Holder | undefined;
  const visitor = {
    socket(fd: number, inode: number): void {
      if (!inodes.has(inode)) return;
      holder ??= describe(procRoot, pid);
      const owner = ownerOf(holder, fd);
      const others = owners.get(inode);
      if (others === undefined) owners.set(inode, [owner]);
      else others.push(owner);
    },
    eventpoll: (fd: number): void => onEventpoll?.(pid, fd),
  };
  if (scan(`${procRoot}/${pid}/fd`, visitor) > 0) return;
  // A first thread that ended has no descriptors any more; the table lives on in the others.
  const survivor = numericEntries(`${procRoot}/${pid}/task`).find((tid) => tid !== pid);
  if (survivor !== undefined) scan(`${procRoot}/${pid}/task/${survivor}/fd`, visitor);
}

/** Written out: spreading costs as much as reading the link, and there may be tens of thousands. */
function ownerOf({ pid, command, unit, container }: Holder, fd: number): Owner {
  const owner: Owner = { pid, command, fd };
  if (unit !== undefined) owner.unit = unit;
  if (container !== undefined) owner.container = container;
  return owner;
}

function describe(procRoot: string, pid: number): Holder {
  return { pid, command: readCommand(`${procRoot}/${pid}`) ?? '?', ...readCgroup(procRoot, pid) };
}

function unreadableNote(count: number, reason: string): Note {
  const note = {
    what: `sockets held by ${count} ${count === 1 ? 'process' : 'processes'} not matched to an owner`,
    because: reason,
    incomplete: false,
  };
  return reason === 'permission denied' ? { ...note, todo: 'run as root or with CAP_SYS_PTRACE' } : note;
}

const HIDDEN_NOTE: Note = {
  what: 'owners among processes of other users not shown',
  because: '/proc hides them (mount option hidepid)',
  todo: 'run as root',
  incomplete: false,
};
