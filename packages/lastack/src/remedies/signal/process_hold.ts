import { readlinkSync } from 'node:fs';
import type { ClearTarget } from '@lastack/core';
import { cookieOfDescriptor, KernelError } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { isRefusedPermission } from '../shared/failures.ts';

/** One target as a process holds it. */
export interface Holding {
  target: ClearTarget;
  fd: number;
}

/** A process with the targets that it was seen to hold. */
export interface Holder {
  pid: number;
  command: string;
  holdings: Holding[];
}

/** Every process that holds one of the targets. */
export function holdersOf(targets: readonly ClearTarget[]): Map<number, Holder> {
  const holders = new Map<number, Holder>();
  for (const target of targets) {
    for (const { pid, command, fd } of target.owners) {
      const holder = holders.get(pid) ?? { pid, command, holdings: [] };
      holder.holdings.push({ target, fd });
      holders.set(pid, holder);
    }
  }
  return holders;
}

/** Whether the process with this number holds at least one of the targets now: a later one of that number does not. */
export function holdsAny(effects: Effects, { pid, holdings }: Holder): boolean {
  return holdings.some((holding) => holds(effects, pid, holding));
}

function holds(effects: Effects, pid: number, { target, fd }: Holding): boolean {
  try {
    return cookieOfDescriptor(effects.libc(), pid, fd) === target.cookie;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // Signalling needs less than duplicating a descriptor does; its link then tells.
    return isRefusedPermission(error) && linksTo(effects.procRoot, pid, fd, target.inode);
  }
}

/** Enough to see that a process has let go: it closes all of them, or goes on as before. */
const LOOKED_AT = 64;

/** Whether any descriptor that was a target's still is. */
export function stillHolds(procRoot: string, { pid, holdings }: Holder): boolean {
  return holdings.slice(0, LOOKED_AT).some(({ target, fd }) => linksTo(procRoot, pid, fd, target.inode));
}

function linksTo(procRoot: string, pid: number, fd: number, inode: number): boolean {
  try {
    return readlinkSync(`${procRoot}/${pid}/fd/${fd}`) === `socket:[${inode}]`;
  } catch {
    return false;
  }
}
