import { readFileSync } from 'node:fs';
import type { ProcessActivity, ThreadActivity } from '@lastack/core';
import { type DescriptorScan, scanWithFs } from './descriptors.ts';
import { errorCode, isGone, reasonOf } from './errors.ts';
import { is32Bit, withMemory } from './memory.ts';
import { numericEntries, readCommand } from './process.ts';
import { type CallTable, callTable, descriptorArgument, type Machine, parsePresentCall } from './syscalls.ts';
import {
  type EpollTarget,
  parseEpollTargets,
  pollDescriptors,
  type ReadMemory,
  selectDescriptors,
  type WatchedDescriptors,
} from './watched.ts';

export const MAX_THREADS = 256;
export const MAX_EPOLL_SETS = 64;

export interface ActivityQuery {
  procRoot: string;
  pid: number;
  /** `process.arch`; any machine other than x64 and arm64 gives calls by number only. */
  arch: string;
  /** Epoll sets where the owners' search met them; searched for here when absent. */
  epollDescriptors?: readonly number[];
  /**
   * Inode of each descriptor asked about. An epoll entry of that number for another file is not counted: the number
   * was used again while the old file lives on. Called where an epoll set watches anything.
   */
  inodeByFd?(): ReadonlyMap<number, number>;
  scan?: DescriptorScan;
}

const EMPTY_TABLE: CallTable = new Map();

/** What each thread of a process does now and what its epoll sets watch; nothing is stopped. Never throws a system error. */
export function readActivity(query: ActivityQuery): ProcessActivity {
  const directory = `${query.procRoot}/${query.pid}`;
  const problems = new Set<string>();
  const threads = readThreads(query, directory, problems);
  const epollFds = readEpollFds(query, directory, problems);
  const activity: ProcessActivity = { pid: query.pid, threads, epollFds };
  return problems.size === 0 ? activity : { ...activity, unreadable: [...problems].join('; ') };
}

function readThreads(query: ActivityQuery, directory: string, problems: Set<string>): ThreadActivity[] {
  let tids: number[];
  try {
    tids = numericEntries(`${directory}/task`);
  } catch (error) {
    problems.add(problemOf(error, 'threads'));
    return [];
  }
  if (tids.length > MAX_THREADS) problems.add(`only ${MAX_THREADS} of ${tids.length} threads were read`);
  const known = query.arch === 'x64' || query.arch === 'arm64';
  const table = known && !is32Bit(directory) ? callTable(query.arch as Machine) : EMPTY_TABLE;
  return withMemory(directory, (readMemory) => {
    const threads: ThreadActivity[] = [];
    for (const tid of tids.slice(0, MAX_THREADS)) {
      const thread = readThread(`${directory}/task/${tid}`, tid, { table, readMemory, problems });
      if (thread !== undefined) threads.push(thread);
    }
    return threads;
  });
}

interface ThreadContext {
  table: CallTable;
  readMemory: ReadMemory;
  problems: Set<string>;
}

/** Undefined for a thread that ended meanwhile. */
function readThread(directory: string, tid: number, context: ThreadContext): ThreadActivity | undefined {
  const name = readCommand(directory);
  if (name === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(`${directory}/syscall`, 'utf8');
  } catch (error) {
    context.problems.add(problemOf(error, 'system calls'));
    return { tid, name, fds: [] };
  }
  const call = parsePresentCall(text);
  if (call === undefined) return { tid, name, fds: [] };
  if (call.kind !== 'call') return { tid, name, syscall: call.kind, fds: [] };
  const known = context.table.get(call.number);
  if (known === undefined) return { tid, name, syscall: `syscall ${call.number}`, fds: [] };
  const watched = descriptorsOfCall(known.descriptors, call.arguments, context.readMemory);
  if (watched.incomplete !== undefined) context.problems.add(watched.incomplete);
  return { tid, name, syscall: known.name, fds: watched.fds };
}

function descriptorsOfCall(
  descriptors: readonly number[] | 'poll' | 'select',
  callArguments: readonly bigint[],
  readMemory: ReadMemory,
): WatchedDescriptors {
  if (descriptors === 'poll') return pollDescriptors(callArguments, readMemory);
  if (descriptors === 'select') return selectDescriptors(callArguments, readMemory);
  const fds = descriptors.map((index) => descriptorArgument(callArguments[index]));
  return { fds: fds.filter((fd) => fd !== undefined) };
}

function readEpollFds(query: ActivityQuery, directory: string, problems: Set<string>): ReadonlySet<number> {
  const watched = new Set<number>();
  try {
    const sets = query.epollDescriptors ?? findEpollSets(directory, query.scan ?? scanWithFs);
    if (sets.length > MAX_EPOLL_SETS) problems.add(`only ${MAX_EPOLL_SETS} of ${sets.length} epoll sets were read`);
    const targets = sets.slice(0, MAX_EPOLL_SETS).flatMap((fd) => readTargets(`${directory}/fdinfo/${fd}`));
    const inodeByFd = targets.length > 0 ? query.inodeByFd?.() : undefined;
    for (const { fd, inode } of targets) {
      const expected = inodeByFd?.get(fd);
      if (expected === undefined || inode === undefined || expected === inode) watched.add(fd);
    }
  } catch (error) {
    problems.add(problemOf(error, 'epoll sets'));
  }
  return watched;
}

function findEpollSets(directory: string, scan: DescriptorScan): number[] {
  const sets: number[] = [];
  scan(`${directory}/fd`, { socket: () => undefined, eventpoll: (fd) => sets.push(fd) });
  return sets;
}

function readTargets(path: string): EpollTarget[] {
  try {
    return parseEpollTargets(readFileSync(path, 'utf8'));
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function problemOf(error: unknown, what: string): string {
  if (errorCode(error) === undefined) throw error;
  return isGone(error) ? 'the process ended' : `${what}: ${reasonOf(error)}`;
}
