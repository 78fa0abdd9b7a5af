import { type Owner, type Row, type SocketOwners, TimerCode } from '@lastack/core';
import {
  KernelError,
  NetlinkProtocol,
  openNetlink,
  type PathQuery,
  readActivity,
  readPaths,
  readSocketOptions,
} from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { inside } from './namespaces.ts';
import type { Observation, ObservedNamespace } from './observation.ts';
import { ownerSearch } from './owner_search.ts';

type RowsOf = ReadonlyMap<ObservedNamespace, readonly Row[]>;

/** Beyond these numbers the answer would take long and a reader would not look at it. */
const MAX_PATHS = 256;
const MAX_ACTIVE_PROCESSES = 16;
const MAX_OPTIONS = 2000;

/** Holders of the rows' sockets, added to the observation. */
export function fetchOwners(effects: Effects, observation: Observation, rowsOf: RowsOf): void {
  for (const [{ table }, rows] of rowsOf) {
    if (!rows.some((row) => table.inode(row) !== 0)) continue;
    observation.ownerSearch ??= ownerSearch(effects, observation.notes);
    observation.owners = observation.ownerSearch.finish();
    return;
  }
}

/** What the processes that hold most of the rows' sockets are doing. */
export function fetchActivity(effects: Effects, observation: Observation, rowsOf: RowsOf): void {
  const held = new HeldDescriptors();
  for (const [{ table }, rows] of rowsOf) {
    for (const row of rows) held.add(observation.owners, table.inode(row));
  }
  const busiest = held.busiestFirst();
  for (const { pid, inodeByFd } of busiest.slice(0, MAX_ACTIVE_PROCESSES)) {
    if (observation.activity.has(pid)) continue;
    const activity = readActivity({
      procRoot: effects.procRoot,
      pid,
      arch: process.arch,
      inodeByFd,
      epollDescriptors: observation.epollDescriptors.get(pid) ?? [],
    });
    observation.activity.set(pid, activity);
  }
  if (busiest.length > MAX_ACTIVE_PROCESSES) {
    observation.notes.push({
      what: `what ${busiest.length - MAX_ACTIVE_PROCESSES} more processes are doing`,
      because: `only the ${MAX_ACTIVE_PROCESSES} that hold most of the sockets were looked at`,
      incomplete: false,
    });
  }
}

/** Which descriptors of which process hold the sockets asked about, in columns. */
class HeldDescriptors {
  readonly #byPid = new Map<number, { fds: number[]; inodes: number[] }>();

  add(owners: SocketOwners, inode: number): void {
    const pid = owners.solePid?.(inode);
    if (pid) this.#addOne(pid, owners.soleFd?.(inode) ?? -1, inode);
    else for (const owner of owners.get(inode) ?? []) this.#addOne(owner.pid, owner.fd, inode);
  }

  #addOne(pid: number, fd: number, inode: number): void {
    let held = this.#byPid.get(pid);
    if (!held) {
      held = { fds: [], inodes: [] };
      this.#byPid.set(pid, held);
    }
    held.fds.push(fd);
    held.inodes.push(inode);
  }

  busiestFirst(): { pid: number; inodeByFd(): ReadonlyMap<number, number> }[] {
    const byCount = [...this.#byPid].sort(([, one], [, other]) => other.fds.length - one.fds.length);
    return byCount.map(([pid, { fds, inodes }]) => ({
      pid,
      inodeByFd: () => new Map(fds.map((fd, index) => [fd, inodes[index]])),
    }));
  }
}

/** Options that only the socket itself tells (TCP_USER_TIMEOUT, keepalive), where its owner may be asked. */
export function fetchOptions(
  effects: Effects,
  observation: Observation,
  rowsOf: RowsOf,
  which: 'with timer' | 'all' = 'with timer',
): void {
  const refusals = new Set<string>();
  let asked = 0;
  for (const [{ table, options }, rows] of rowsOf) {
    for (const row of rows) {
      // Without a timer no option can end the socket.
      if (which === 'with timer' && table.timer(row) === TimerCode.NONE) continue;
      const [owner] = observation.owners.get(table.inode(row)) ?? [];
      if (owner === undefined || options.has(table.cookie(row))) continue;
      if (++asked > MAX_OPTIONS) break;
      const read = readOptionsOf(effects, owner, table.cookie(row), refusals);
      if (read) options.set(table.cookie(row), read);
    }
  }
  for (const reason of refusals) {
    observation.notes.push({
      what: 'socket options (TCP_USER_TIMEOUT, keepalive) of other programs not read',
      because: reason,
      todo: 'run as root or with CAP_SYS_PTRACE',
      incomplete: false,
    });
  }
}

const GONE_ERRNOS: ReadonlySet<number> = new Set([3, 9]);

function readOptionsOf(effects: Effects, { pid, fd }: Owner, cookie: bigint, refusals: Set<string>) {
  try {
    return readSocketOptions(effects.libc(), pid, fd, cookie);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // ESRCH, EBADF: the process or its descriptor went away meanwhile, as they may.
    if (!GONE_ERRNOS.has(error.errno)) refusals.add(error.code);
    return undefined;
  }
}

/** Route and next hop for the rows' remote addresses. */
export async function fetchPaths(effects: Effects, observation: Observation, rowsOf: RowsOf): Promise<void> {
  for (const [namespace, rows] of rowsOf) {
    const queries = pathQueries(namespace, rows);
    if (queries.length === 0) continue;
    const transport = inside(effects, namespace.ref, observation.notes, () =>
      openNetlink(effects.libc(), NetlinkProtocol.ROUTE),
    );
    if (!transport) continue;
    try {
      for (const [address, path] of await readPaths(transport, queries)) namespace.paths.set(address, path);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      observation.notes.push({
        what: `routes of ${namespace.label} not read`,
        because: error.message,
        incomplete: false,
      });
    } finally {
      transport.close();
    }
  }
}

function pathQueries({ table, paths }: ObservedNamespace, rows: readonly Row[]): PathQuery[] {
  const queries = new Map<string, PathQuery>();
  for (const row of rows) {
    const address = table.remoteAddress(row);
    if (queries.has(address) || paths.has(address)) continue;
    if (queries.size === MAX_PATHS) break;
    const bytes = table.remoteAddressBytes(row).slice();
    // An IPv4 peer of an IPv6 socket is reached by an IPv4 route.
    const destination = address.startsWith('::ffff:') ? bytes.slice(12) : bytes;
    const interfaceIndex = table.interfaceIndex(row) || undefined;
    queries.set(address, { address, destination, interfaceIndex, mark: table.mark(row) || undefined });
  }
  return [...queries.values()];
}
