import { TcpState } from '@lastack/core';
import { scanWithFs, scanWithSyscalls } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { Observation } from '../../engine/observation.ts';

/** TCP sockets that one process holds, over all observed namespaces. */
export interface HolderSummary {
  pid: number;
  listeners: number;
  /** Connected, in whatever state; sockets that are only bound are left out. */
  connections: number;
  /** Why it could not be counted; the numbers are then 0 and mean nothing. */
  unreadable?: string;
}

const { LISTEN, CLOSE, BOUND_INACTIVE } = TcpState;

/** What each process holds. Reads their descriptors; one pass over the observed sockets. */
export function holderSummaries(
  effects: Pick<Effects, 'procRoot' | 'libc'>,
  { namespaces }: Pick<Observation, 'namespaces'>,
  pids: readonly number[],
): Map<number, HolderSummary> {
  const summaries = new Map<number, HolderSummary>();
  const holders = new Map<number, HolderSummary[]>();
  const scan = effects.procRoot === '/proc' ? scanWithSyscalls(effects.libc().directory) : scanWithFs;
  for (const pid of new Set(pids)) {
    const summary: HolderSummary = { pid, listeners: 0, connections: 0 };
    summaries.set(pid, summary);
    // The same socket may be open several times in one process.
    const inodes = new Set<number>();
    try {
      scan(`${effects.procRoot}/${pid}/fd`, { socket: (_fd, inode) => inodes.add(inode), eventpoll: () => undefined });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      summary.unreadable = code === 'EACCES' || code === 'EPERM' ? 'permission denied' : code;
    }
    for (const inode of inodes) holders.set(inode, [...(holders.get(inode) ?? []), summary]);
  }
  for (const { table } of namespaces) {
    for (let row = 0; row < table.count; row++) {
      const inode = table.inode(row);
      const state = table.state(row);
      if (inode === 0 || state === CLOSE || state === BOUND_INACTIVE) continue;
      for (const summary of holders.get(inode) ?? []) {
        if (state === LISTEN) summary.listeners++;
        else summary.connections++;
      }
    }
  }
  return summaries;
}

/** As holderSummaries, for one process. */
export function holderSummary(
  effects: Pick<Effects, 'procRoot' | 'libc'>,
  observation: Pick<Observation, 'namespaces'>,
  pid: number,
): HolderSummary {
  return holderSummaries(effects, observation, [pid]).get(pid) ?? { pid, listeners: 0, connections: 0 };
}

/** `it holds 312 connections and 2 listeners, of which 3 are meant`. @param meant how many of them are to be cleared */
export function holderText({ connections, listeners, unreadable }: HolderSummary, meant: number): string {
  if (unreadable !== undefined) return `what else it holds could not be read (${unreadable})`;
  const held = [`${connections} ${connections === 1 ? 'connection' : 'connections'}`];
  if (listeners > 0) held.push(`${listeners} ${listeners === 1 ? 'listener' : 'listeners'}`);
  return `it holds ${held.join(' and ')}, of which ${meant} ${meant === 1 ? 'is' : 'are'} meant`;
}
