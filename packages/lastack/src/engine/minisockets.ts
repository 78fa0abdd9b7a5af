import { type FilterAst, type MeansId, type Note, requirements, stateMask, TcpState } from '@lastack/core';
import { DiagTable, readSockstat } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { listSockets, type SocketSink } from './list_sockets.ts';
import { inside } from './namespaces.ts';
import type { OpenNamespace } from './observation.ts';

/** TIME_WAIT sockets of one namespace, in columns: nobody holds them, nothing is lost with them, there may be 300,000. */
export interface MinisocketMatch {
  open: OpenNamespace;
  table: DiagTable;
}

/**
 * Whether a filter can only match TIME_WAIT sockets, and only SOCK_DESTROY is asked for: the fast way applies. It knows no
 * findings, so it does not where the filter asks for `stuck`.
 */
export function isMinisocketsOnly(filter: FilterAst | undefined, forced: MeansId | undefined): filter is FilterAst {
  if (!filter || (forced !== undefined && forced !== 'destroy')) return false;
  return stateMask(filter) === 1 << TcpState.TIME_WAIT && !requirements(filter).stuck;
}

/**
 * How many sockets a namespace has in TIME_WAIT now, those in FIN_WAIT2 without an owner included. 0 only when there is
 * none: the kernel counts one until nobody can find it any more. Undefined where that cannot be read.
 */
export function countMinisockets(effects: Effects, { ref }: OpenNamespace): number | undefined {
  return inside(effects, ref, [], () => readSockstat(effects)['TCP.tw']);
}

/** Rejects with KernelError. */
export async function matchMinisockets(
  effects: Effects,
  opened: readonly OpenNamespace[],
  filter: FilterAst,
  notes: Note[],
): Promise<MinisocketMatch[]> {
  const matches: MinisocketMatch[] = [];
  for (const open of opened) {
    const table = await tableOfMinisockets(effects, open, filter, notes);
    if (table.count > 0) matches.push({ open, table });
  }
  return matches;
}

/** Those of one namespace that match. Rejects with KernelError. */
export async function tableOfMinisockets(
  effects: Effects,
  open: OpenNamespace,
  filter: FilterAst,
  notes: Note[],
): Promise<DiagTable> {
  const expected = countMinisockets(effects, open);
  // A table that must grow is copied again and again; a few more come while it is filled.
  const table = new DiagTable(expected === undefined ? 0 : Math.ceil(expected * 1.02) + 500);
  await listMinisockets(effects, open, filter, notes, {
    into: table,
    add: (source, row) => table.copyRow(source, row),
  });
  return table;
}

/** Rejects with KernelError. */
export async function listMinisockets(
  effects: Effects,
  open: OpenNamespace,
  filter: FilterAst,
  notes: Note[],
  sink: SocketSink,
): Promise<void> {
  const request = { filter, withOwners: false, streaming: true, stuck: undefined };
  await listSockets(effects, open, request, notes, sink);
}
