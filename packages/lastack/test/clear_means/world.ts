import type { ClearTarget } from '@lastack/core';
import { targetOf } from '@lastack/core';
import {
  DiagTable,
  dumpSockets,
  findOwners,
  KernelError,
  type Libc,
  loadLibc,
  NetlinkProtocol,
  type NetlinkTransport,
  openNetlink,
  scanWithSyscalls,
  withNamespace,
} from '@lastack/kernel';
import type { Actor, AddressPair } from '@lastack/lab';
import type { JournalDraft, JournalEntry } from '../../src/journal/journal.ts';
import type { ApplyContext } from '../../src/remedies/remedy.ts';
import { capturedEffects } from '../support/effects.ts';

export const libc: Libc = loadLibc();

/** A sock_diag socket in the actor's namespace. */
export function diagOf(actor: Actor, calls: Libc = libc): NetlinkTransport {
  const target = { path: `/proc/${actor.pid}/ns/net`, label: actor.name };
  const opened = withNamespace(target, calls, () => openNetlink(calls, NetlinkProtocol.SOCK_DIAG));
  if (!opened.ok) throw new Error(opened.note.because);
  return opened.value;
}

/** Every TCP socket of the namespace, merely bound ones included. */
export async function tableOf(transport: NetlinkTransport): Promise<DiagTable> {
  const table = new DiagTable();
  await dumpSockets(transport, { states: 0x3ffe }, (words, view, at, end) => table.append(words, view, at, end));
  return table;
}

/** The sockets as targets, in the order of the pairs, with their holders. */
export async function targetsOf(actor: Actor, pairs: readonly AddressPair[]): Promise<ClearTarget[]> {
  const transport = diagOf(actor);
  try {
    const table = await tableOf(transport);
    const rows = pairs.map(({ local, remote }) => {
      for (let row = 0; row < table.count; row++) {
        const isLocal = table.localPort(row) === local.port && table.localAddress(row) === local.address;
        if (isLocal && table.remotePort(row) === remote.port) return row;
      }
      throw new Error(`no socket ${local.address}:${local.port} ${remote.address}:${remote.port}`);
    });
    const inodes = new Set(rows.map((row) => table.inode(row)).filter((inode) => inode !== 0));
    const scan = scanWithSyscalls(libc.directory);
    const owners = findOwners({ procRoot: '/proc', inodes, scan, onNote: () => undefined });
    const place = { inode: actor.netnsInode, label: actor.name, table };
    return rows.map((row) => targetOf(place, row, owners.get(table.inode(row)) ?? []));
  } finally {
    transport.close();
  }
}

export interface TestContext extends ApplyContext {
  /** What was journalled, in order. */
  entries: (Pick<JournalEntry, 'phase' | 'of'> & JournalDraft)[];
  close(): void;
}

/** What a remedy needs, for the namespaces of these actors. */
export function contextOf(actors: readonly Actor[], controller = new AbortController()): TestContext {
  const transports = new Map<number, NetlinkTransport>();
  const entries: TestContext['entries'] = [];
  const actorOf = (inode: number): Actor => {
    const actor = actors.find(({ netnsInode }) => netnsInode === inode);
    if (!actor) throw new KernelError(`using network namespace ${inode}`, 2);
    return actor;
  };
  return {
    effects: capturedEffects([], { libc: () => libc, pid: process.pid }),
    entries,
    journal: {
      path: '',
      begin: (draft) => entries.push({ ...draft, phase: 'begin' }),
      end: (of, draft) => void entries.push({ ...draft, of, phase: 'end' }),
      undone: (of, draft) => void entries.push({ ...draft, of, phase: 'undone' }),
      read: () => ({ entries: [], damagedLines: 0 }),
    },
    signal: controller.signal,
    progress: () => undefined,
    diag(inode) {
      const actor = actorOf(inode);
      const transport = transports.get(inode) ?? diagOf(actor);
      transports.set(inode, transport);
      return transport;
    },
    inside(inode, work) {
      const result = withNamespace({ path: `/proc/${actorOf(inode).pid}/ns/net`, label: 'test' }, libc, work);
      if (!result.ok) throw new KernelError('entering', 2, { detail: result.note.because });
      return result.value;
    },
    close: () => {
      for (const transport of transports.values()) transport.close();
    },
  };
}
