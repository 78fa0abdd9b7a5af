import { type EndpointAddress, plainAddress } from '@lastack/core';
import {
  DiagTable,
  dumpSockets,
  findOwners,
  KernelError,
  NetlinkProtocol,
  openNetlink,
  readParentPid,
  scanWithSyscalls,
} from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { sessionFacts } from '../../engine/session.ts';

const ALL_CONNECTED = 0x3ffe & ~(1 << 10);
/** Longer chains of parents do not occur. */
const MAX_ANCESTORS = 64;

/**
 * Processes that are never signalled nor restarted, each with why: process 1, this one and its parents, and those that
 * hold the connection of the present login, with their parents.
 */
export async function protectedProcesses(effects: Effects): Promise<Map<number, string>> {
  const { login, sessionPids } = sessionFacts(effects);
  const reasons = new Map([[1, 'it is the first process of the system']]);
  for (const pid of sessionPids) {
    const reason = pid === effects.pid ? 'it is lastack itself' : 'lastack runs under it';
    if (!reasons.has(pid)) reasons.set(pid, reason);
  }
  if (!login) return reasons;
  for (const holder of await holdersOf(effects, login)) {
    let next: number | undefined = holder;
    for (let depth = 0; next !== undefined && depth < MAX_ANCESTORS; depth++) {
      if (!reasons.has(next)) reasons.set(next, 'the present login runs over it');
      next = readParentPid(effects.procRoot, next);
    }
  }
  return reasons;
}

interface Ends {
  local: EndpointAddress;
  remote: EndpointAddress;
}

/** Who holds the connection with these ends in lastack's own namespace; none when that cannot be found out. */
async function holdersOf(effects: Effects, ends: Ends): Promise<number[]> {
  const inodes = await inodesOf(effects, ends);
  const owners = findOwners({
    procRoot: effects.procRoot,
    inodes,
    scan: scanWithSyscalls(effects.libc().directory),
    // Whoever may not be looked at may not be signalled either.
    onNote: () => undefined,
  });
  return [...owners.values()].flat().map(({ pid }) => pid);
}

async function inodesOf(effects: Effects, { local, remote }: Ends): Promise<Set<number>> {
  const table = new DiagTable();
  try {
    const transport = openNetlink(effects.libc(), NetlinkProtocol.SOCK_DIAG);
    try {
      await dumpSockets(transport, { states: ALL_CONNECTED }, (words, view, at, end) =>
        table.append(words, view, at, end),
      );
    } finally {
      transport.close();
    }
  } catch (error) {
    // The parents of lastack are protected in any case.
    if (!(error instanceof KernelError)) throw error;
  }
  const inodes = new Set<number>();
  for (let row = 0; row < table.count; row++) {
    if (table.localPort(row) !== local.port || table.remotePort(row) !== remote.port) continue;
    if (!isSame(table.localAddress(row), local) || !isSame(table.remoteAddress(row), remote)) continue;
    if (table.inode(row) !== 0) inodes.add(table.inode(row));
  }
  return inodes;
}

function isSame(address: string, other: EndpointAddress): boolean {
  return plainAddress(address) === plainAddress(other.address);
}
