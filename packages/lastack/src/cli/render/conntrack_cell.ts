import { type Row, type SocketTable, TcpState } from '@lastack/core';
import { type ConntrackIndex, entryOf } from '../../engine/conntrack.ts';
import { compactDuration } from './clears.ts';

/**
 * `ESTABLISHED 4d23h`, `none`, `untracked here` for a namespace in which nothing is tracked, `unknown` where it could
 * not be read, and nothing for sockets that have no connection.
 */
export function conntrackCell(index: ConntrackIndex | undefined, table: SocketTable, row: Row): string {
  const state = table.state(row);
  if (state === TcpState.LISTEN || state === TcpState.CLOSE || state === TcpState.BOUND_INACTIVE) return '';
  if (index === undefined) return 'unknown';
  if (index.size === 0) return 'untracked here';
  const entry = entryOf(index, table, row);
  if (entry === undefined) return 'none';
  const left = entry.timeoutMs === undefined ? 'offloaded' : compactDuration(entry.timeoutMs, Math.floor);
  return entry.state === undefined ? left : `${entry.state} ${left}`;
}
