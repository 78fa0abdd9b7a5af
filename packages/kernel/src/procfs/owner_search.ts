import type { Note, Owner, SocketOwners } from '@lastack/core';
import { readCgroup } from './cgroup.ts';
import { type DescriptorVisitor, type DescriptorWalk, walkWithFs } from './descriptors.ts';
import { isGone, reasonOf } from './errors.ts';
import { isKernelThread, listPids, numericEntries, readCommand } from './process.ts';

export interface OwnerSearchQuery {
  procRoot: string;
  /** How descriptor links are read; Node's own functions unless a faster way is given. */
  walk?: DescriptorWalk;
  /** Told at the end of the search what could not be read. */
  onNote(note: Note): void;
  /** Told of every epoll set that the search passes by, so that nobody need search again for them. */
  onEventpoll?(pid: number, fd: number): void;
}

/**
 * Searches every process for the sockets it holds, a slice at a time, so that it can go on while something else is
 * waited for. Threads share their process's descriptors and are not searched. A process whose descriptors may not be
 * read is counted in a note.
 */
export class OwnerSearch {
  readonly #query: OwnerSearchQuery;
  readonly #steps: Generator<undefined, void>;
  readonly #found: Descriptors;
  #isOver = false;
  #owners: SocketOwners | undefined;

  constructor(query: OwnerSearchQuery) {
    this.#query = query;
    this.#found = new Descriptors(query.procRoot);
    this.#steps = this.#search();
  }

  /** Goes on for about a millisecond. @returns false when the search is over */
  advance(): boolean {
    if (!this.#isOver) this.#isOver = this.#steps.next().done === true;
    return !this.#isOver;
  }

  /** Searches the rest. */
  finish(): SocketOwners {
    while (this.advance());
    this.#owners ??= this.#found.index();
    return this.#owners;
  }

  *#search(): Generator<undefined, void> {
    const { procRoot, onNote } = this.#query;
    const pids = listPids(procRoot);
    const refusals = new Map<string, number[]>();
    for (const pid of pids) {
      try {
        yield* this.#searchProcess(pid);
      } catch (error) {
        if (isGone(error) || isKernelThread(procRoot, pid)) continue;
        const reason = reasonOf(error);
        const refused = refusals.get(reason);
        if (refused) refused.push(pid);
        else refusals.set(reason, [pid]);
      }
    }
    for (const [reason, refused] of refusals) onNote(unreadableNote(refused, reason));
    // Every pid namespace has a process 1: a list without it was filtered by the mount option hidepid.
    if (!pids.includes(1)) onNote(HIDDEN_NOTE);
  }

  *#searchProcess(pid: number): Generator<undefined, void> {
    const { procRoot, onEventpoll, walk = walkWithFs } = this.#query;
    const visitor: DescriptorVisitor = {
      socket: (fd, inode) => this.#found.add(pid, fd, inode),
      eventpoll: (fd) => onEventpoll?.(pid, fd),
    };
    if ((yield* walk(`${procRoot}/${pid}/fd`, visitor)) > 0) return;
    // A first thread that ended has no descriptors any more; the table lives on in the others.
    const survivor = numericEntries(`${procRoot}/${pid}/task`).find((tid) => tid !== pid);
    if (survivor !== undefined) yield* walk(`${procRoot}/${pid}/task/${survivor}/fd`, visitor);
  }
}

/** Nobody was searched for. */
export const NO_OWNERS: SocketOwners = { get: () => undefined };

type Holder = Omit<Owner, 'fd'>;

/**
 * Socket descriptors in columns, in the order found. There may be hundreds of thousands, of which few are asked for:
 * the objects are made then.
 */
class Descriptors {
  readonly #procRoot: string;
  readonly #pids: number[] = [];
  readonly #fds: number[] = [];
  readonly #inodes: number[] = [];
  readonly #holders = new Map<number, Holder>();

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  add(pid: number, fd: number, inode: number): void {
    this.#pids.push(pid);
    this.#fds.push(fd);
    this.#inodes.push(inode);
  }

  index(): SocketOwners {
    const inodes = this.#inodes;
    // Open addressing, at most half full; -1 = empty. Descriptors of one inode follow each other through `next`.
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(inodes.length * 2 + 2))).fill(-1);
    const next = new Int32Array(inodes.length).fill(-1);
    const mask = slots.length - 1;
    const slotOf = (inode: number): number => {
      let slot = Math.imul(inode, 0x9e37_79b1) >>> 7;
      while (slots[slot & mask] >= 0 && inodes[slots[slot & mask]] !== inode) slot++;
      return slot & mask;
    };
    // Backwards, so that each list ascends.
    for (let at = inodes.length - 1; at >= 0; at--) {
      const slot = slotOf(inodes[at]);
      next[at] = slots[slot];
      slots[slot] = at;
    }
    return {
      get: (inode) => {
        const first = slots[slotOf(inode)];
        if (first < 0) return undefined;
        const owners = [this.#owner(first)];
        for (let at = next[first]; at >= 0; at = next[at]) owners.push(this.#owner(at));
        return owners;
      },
      solePid: (inode) => {
        const first = slots[slotOf(inode)];
        return first >= 0 && next[first] < 0 ? this.#pids[first] : 0;
      },
      soleFd: (inode) => {
        const first = slots[slotOf(inode)];
        return first >= 0 && next[first] < 0 ? this.#fds[first] : -1;
      },
    };
  }

  /** Written out: spreading costs as much as reading the link, and there may be tens of thousands. */
  #owner(at: number): Owner {
    const { pid, command, unit, container } = this.#holder(this.#pids[at]);
    const owner: Owner = { pid, command, fd: this.#fds[at] };
    if (unit !== undefined) owner.unit = unit;
    if (container !== undefined) owner.container = container;
    return owner;
  }

  #holder(pid: number): Holder {
    let holder = this.#holders.get(pid);
    if (holder === undefined) {
      const root = this.#procRoot;
      holder = { pid, command: readCommand(`${root}/${pid}`) ?? '?', ...readCgroup(root, pid) };
      this.#holders.set(pid, holder);
    }
    return holder;
  }
}

function unreadableNote(pids: readonly number[], reason: string): Note {
  const processes = pids.length === 1 ? `process ${pids[0]}` : `${pids.length} processes`;
  const note = {
    what: `sockets that ${processes} may hold not matched to an owner`,
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
