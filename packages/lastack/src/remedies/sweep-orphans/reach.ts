import { type Row, type SocketTable, TcpState } from '@lastack/core';

/** The states whose orphans tcp_orphan_retries governs. */
export const GOVERNED_STATES: ReadonlySet<number> = new Set([TcpState.FIN_WAIT1, TcpState.CLOSING, TcpState.LAST_ACK]);

export function isGoverned(table: SocketTable, row: Row): boolean {
  return GOVERNED_STATES.has(table.state(row)) && table.kind(row) === 'orphan';
}

/** How many orphans of this namespace, besides those with these cookies, a sweep would act on as well. */
export function otherOrphans(table: SocketTable, cookies: ReadonlySet<bigint>): number {
  let count = 0;
  for (let row = 0; row < table.count; row++) {
    if (isGoverned(table, row) && !cookies.has(table.cookie(row))) count++;
  }
  return count;
}
