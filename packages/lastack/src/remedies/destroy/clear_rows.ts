import type { Row } from '@lastack/core';
import {
  type DestroyOptions,
  type DiagTable,
  destroyRows,
  GONE,
  lookupRows,
  type NetlinkTransport,
} from '@lastack/kernel';

/** What became of many rows at once. */
export interface ClearedRows {
  /** By index of the rows: row of the table of those that are still there, GONE or REUSED (of the kernel package). */
  where: Int32Array;
  /** Not there any more, or their address belongs to another socket now. */
  cleared: number;
  stillThere: number;
  /** Why `cleared` may be too high; undefined when it is exact. */
  incomplete?: string;
}

/**
 * Destroys rows of a dump (all by default) and looks them up again, without making an object of any: for sockets by
 * the hundred thousand. The caller has applied the guards and written the journal. Rejects with KernelError.
 */
export async function clearRows(
  transport: NetlinkTransport,
  table: DiagTable,
  rows?: readonly Row[],
  options?: DestroyOptions,
): Promise<ClearedRows> {
  await destroyRows(transport, table, rows, options);
  const { where, table: now, incomplete } = await lookupRows(transport, table, rows);
  // Mostly none is left, and then none of the many need be looked at.
  const stillThere = now.count === 0 ? 0 : where.reduce((count, row) => (row > GONE ? count + 1 : count), 0);
  return { where, cleared: where.length - stillThere, stillThere, incomplete };
}
