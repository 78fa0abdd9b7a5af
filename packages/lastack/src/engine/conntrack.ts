import {
  type ConntrackEntry,
  conntrackKey,
  indexConntrack,
  type Note,
  type Row,
  type SocketTable,
} from '@lastack/core';
import {
  KernelError,
  listConntrack,
  type NamespaceRef,
  NetlinkProtocol,
  openNetlink,
  readConntrackCount,
} from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { inside } from './namespaces.ts';
import type { Observation } from './observation.ts';

/** Entries by `conntrackKey`, empty where nothing is tracked. */
export type ConntrackIndex = ReadonlyMap<string, ConntrackEntry>;

/**
 * The connection tracking of one namespace. Undefined, with a note where that is a loss, when it cannot be read; without
 * a note when the kernel has none loaded (asking by netlink would load it).
 */
export async function conntrackOf(
  effects: Effects,
  namespace: NamespaceRef,
  notes: Note[],
): Promise<ConntrackIndex | undefined> {
  const opened = inside(effects, namespace, notes, () => {
    const count = readConntrackCount(effects);
    const transport = count ? openNetlink(effects.libc(), NetlinkProtocol.NETFILTER) : undefined;
    return { count, transport };
  });
  if (opened?.transport === undefined) return opened?.count === 0 ? new Map() : undefined;
  try {
    const { entries, incomplete } = await listConntrack(opened.transport);
    if (incomplete) notes.push({ what: `conntrack of ${namespace.label}`, because: incomplete, incomplete: false });
    return indexConntrack(entries);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const what = `conntrack of ${namespace.label} not read`;
    notes.push({ what, because: error.message, todo: error.todo, incomplete: false });
    return undefined;
  } finally {
    opened.transport.close();
  }
}

/** Fills in the connection tracking of every observed namespace, for the rules that need it. */
export async function fetchConntrack(effects: Effects, observation: Observation): Promise<void> {
  for (const namespace of observation.namespaces) {
    namespace.conntrack ??= await conntrackOf(effects, namespace.ref, observation.notes);
  }
}

/** The entry of one socket. */
export function entryOf(index: ConntrackIndex, table: SocketTable, row: Row): ConntrackEntry | undefined {
  return index.get(
    conntrackKey(
      { address: table.localAddress(row), port: table.localPort(row) },
      { address: table.remoteAddress(row), port: table.remotePort(row) },
    ),
  );
}
