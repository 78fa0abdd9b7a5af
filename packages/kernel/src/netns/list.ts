import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { type Note, printable } from '@lastack/core';
import { readCgroup } from '../procfs/cgroup.ts';
import { errorCode, isGone, reasonOf } from '../procfs/errors.ts';
import { isKernelThread, listPids } from '../procfs/process.ts';

/** One network namespace and a way in. */
export interface NamespaceRef {
  /** The number in `net:[4026531840]`. */
  inode: number;
  /** `host`, `self`, the `ip netns` name, container, unit, or `netns-INODE`; unique in its list. */
  label: string;
  /** File to open for setns(2). One under /proc vanishes with its process. */
  path: string;
}

export interface NamespaceQuery {
  procRoot: string;
  /** Directories of namespace files, the names being labels: /run/netns, /var/run/docker/netns. */
  namedRoots: readonly string[];
  onNote(note: Note): void;
}

export const NAMED_NAMESPACE_ROOTS: readonly string[] = ['/run/netns', '/var/run/docker/netns'];

interface Found {
  inode: number;
  path: string;
  name?: string;
  /** The lowest process in it. */
  pid?: number;
}

/**
 * Every network namespace that a process lives in or that has a name, the host's first. `host` is the one of process 1,
 * or of the kernel's own threads; where neither can be read, the caller's own is called `self`, unless it shows itself to
 * be the host's.
 */
export function listNamespaces(query: NamespaceQuery): NamespaceRef[] {
  const { procRoot } = query;
  const found = new Map<number, Found>();
  const pids = listPids(procRoot);
  const first = addProcesses(query, pids, found);
  for (const root of query.namedRoots) addNamed(query, root, found);
  const own = namespaceInode(`${procRoot}/thread-self/ns/net`) ?? namespaceInode(`${procRoot}/self/ns/net`);
  if (own !== undefined && !found.has(own)) found.set(own, { inode: own, path: `${procRoot}/thread-self/ns/net` });
  const host = first ?? (isKernelsFirst(procRoot) ? own : undefined);
  const special = host === undefined ? { inode: own, label: 'self' } : { inode: host, label: 'host' };
  const refs = [...found.values()].map((entry) => ({
    inode: entry.inode,
    label: entry.inode === special.inode ? special.label : labelOf(procRoot, entry),
    path: entry.inode === own ? `${procRoot}/thread-self/ns/net` : entry.path,
  }));
  return unique(refs).sort((left, right) => order(left, special.inode) - order(right, special.inode));
}

/** One value for the whole kernel, which it shows in its first network namespace only. */
const FIRST_NAMESPACE_ONLY = 'sys/net/ipv4/tcp_max_orphans';

/** Whether the caller's namespace is the one that the kernel started with: an ordinary user may not see who lives in it. */
function isKernelsFirst(procRoot: string): boolean {
  return existsSync(`${procRoot}/${FIRST_NAMESPACE_ONLY}`);
}

/** Adds the namespaces of all processes; returns the host's inode where it can be told. */
function addProcesses(query: NamespaceQuery, pids: readonly number[], found: Map<number, Found>): number | undefined {
  const { procRoot, onNote } = query;
  let host: number | undefined;
  let unreadable = 0;
  let firstUnreadable = 0;
  for (const pid of pids) {
    const path = `${procRoot}/${pid}/ns/net`;
    try {
      const inode = parseNamespaceLink(readlinkSync(path));
      if (inode === undefined) continue;
      if (!found.has(inode)) found.set(inode, { inode, path, pid });
      // Process 2 is the kernel's thread starter, if it is a kernel thread at all (not so inside a container).
      if (pid === 1 || (pid === 2 && host === undefined && isKernelThread(procRoot, pid))) host = inode;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      if (isGone(error) || isKernelThread(procRoot, pid)) continue;
      if (pid === 1) firstUnreadable++;
      else unreadable++;
    }
  }
  // Where the kernel's own threads are visible, process 1 lives in their namespace, readable or not.
  if (host === undefined) unreadable += firstUnreadable;
  if (unreadable > 0) onNote(processesNote(unreadable));
  return host;
}

function addNamed({ procRoot, onNote }: NamespaceQuery, root: string, found: Map<number, Found>): void {
  const device = deviceOf(`${procRoot}/self/ns/net`);
  for (const name of namesIn(root)) {
    const path = `${root}/${name}`;
    try {
      const { ino: inode, dev } = statSync(path);
      // A plain file is what a name leaves behind when its mount is gone or was made in another mount namespace.
      if (device !== undefined && dev !== device) continue;
      found.set(inode, { ...found.get(inode), inode, path, name: found.get(inode)?.name ?? name });
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      if (!isGone(error)) onNote(namedNote(name, error));
    }
  }
}

/** N of `net:[N]`. */
export function parseNamespaceLink(target: string): number | undefined {
  const digits = /^net:\[(\d+)\]$/.exec(target)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Inode number of the namespace behind a /proc/…/ns/net link; undefined when it cannot be read. */
export function namespaceInode(path: string): number | undefined {
  try {
    return parseNamespaceLink(readlinkSync(path));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

function labelOf(procRoot: string, { inode, name, pid }: Found): string {
  if (name !== undefined) return printable(name);
  const { container, unit } = pid === undefined ? {} : readCgroup(procRoot, pid);
  return container ?? unit ?? `netns-${inode}`;
}

/** Two namespaces of one unit are told apart by their numbers. */
function unique(refs: readonly NamespaceRef[]): NamespaceRef[] {
  const uses = new Map<string, number>();
  for (const { label } of refs) uses.set(label, (uses.get(label) ?? 0) + 1);
  return refs.map((ref) =>
    (uses.get(ref.label) ?? 0) > 1 ? { ...ref, label: `${ref.label}/netns-${ref.inode}` } : ref,
  );
}

function order(ref: NamespaceRef, first: number | undefined): number {
  return ref.inode === first ? 0 : 1;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}

function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

function processesNote(count: number): Note {
  return {
    what: `network namespace of ${count} ${count === 1 ? 'process' : 'processes'} not known`,
    because: 'permission denied',
    todo: 'run as root or with CAP_SYS_PTRACE',
    incomplete: true,
  };
}

function namedNote(name: string, error: unknown): Note {
  return {
    what: `network namespace ${printable(name)} not read`,
    because: reasonOf(error),
    todo: 'run as root',
    incomplete: true,
  };
}
