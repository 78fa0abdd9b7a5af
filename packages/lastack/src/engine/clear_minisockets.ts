import { type FilterAst, type MeansId, type Note, stateMask, TcpState } from '@lastack/core';
import { DiagTable, readSockstat } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';
import { type ClearedRows, clearRows } from '../remedies/destroy/clear_rows.ts';
import { listSockets } from './list_sockets.ts';
import { inside } from './namespaces.ts';
import type { OpenNamespace } from './observation.ts';

/** TIME_WAIT sockets of one namespace, in columns: nobody holds them, nothing is lost with them, there may be 300,000. */
export interface MinisocketMatch {
  open: OpenNamespace;
  table: DiagTable;
}

export interface ClearedMinisockets extends MinisocketMatch {
  cleared: ClearedRows;
}

/** Whether a filter can only match TIME_WAIT sockets, and only SOCK_DESTROY is asked for: the fast way applies. */
export function isMinisocketsOnly(filter: FilterAst | undefined, forced: MeansId | undefined): filter is FilterAst {
  if (!filter || (forced !== undefined && forced !== 'destroy')) return false;
  return stateMask(filter) === 1 << TcpState.TIME_WAIT;
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
    // A table that must grow is copied again and again.
    const known = inside(effects, open.ref, [], () => readSockstat(effects)['TCP.tw']);
    const table = new DiagTable(known === undefined ? 0 : Math.ceil(known * 1.02) + 500);
    const request = { filter, withOwners: false, streaming: true, timerHz: () => undefined, stuck: undefined };
    await listSockets(effects, open, request, notes, {
      into: table,
      add: (source, row) => table.copyRow(source, row),
    });
    if (table.count > 0) matches.push({ open, table });
  }
  return matches;
}

/** Destroys them all and looks again, batch by batch, until done or interrupted. Rejects with KernelError. */
export async function clearMinisockets(
  matches: readonly MinisocketMatch[],
  journal: Journal,
  signal: AbortSignal,
  progress: (done: number) => void,
): Promise<ClearedMinisockets[]> {
  const results: ClearedMinisockets[] = [];
  let before = 0;
  for (const { open, table } of matches) {
    if (signal.aborted) break;
    const summary = `destroy ${table.count} TIME_WAIT sockets in ${open.ref.label}`;
    const data = { netns: open.ref.inode, label: open.ref.label, state: 'TIME_WAIT', count: table.count };
    const entry = journal.begin({ action: 'destroy', summary, data });
    const cleared = await clearRows(open.diag, table, undefined, {
      signal,
      onBatch: (done) => progress(before + done),
    });
    journal.end(entry, {
      action: 'destroy',
      summary: `${summary}: ${cleared.cleared} gone`,
      data: { ...data, cleared: cleared.cleared },
    });
    before += table.count;
    results.push({ open, table, cleared });
  }
  return results;
}
