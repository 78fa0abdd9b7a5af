import type { NamespaceSnapshot, Row } from '../../snapshot.ts';

/** Hash slots of the counting pass. Two destinations in one slot only make the second pass look closer. */
const SLOTS = 1 << 16;

/** Connections that compete for the same local ports: equal local address, remote address and remote port. */
function slotOf(local: Uint8Array, remote: Uint8Array, port: number): number {
  let value = port;
  for (let index = 0; index < remote.length; index++) value = (Math.imul(value, 31) + remote[index]) | 0;
  for (let index = 0; index < local.length; index++) value = (Math.imul(value, 31) + local[index]) | 0;
  return (value ^ (value >>> 16)) & (SLOTS - 1);
}

/**
 * Rows by destination, only those destinations that at least `least` rows share. The first pass counts by hash, so
 * that texts are built only for rows of crowded destinations.
 */
export function crowdedDestinations(
  { table }: NamespaceSnapshot,
  rows: readonly Row[],
  least: number,
): readonly (readonly Row[])[] {
  if (rows.length < least) return [];
  const slots = new Uint16Array(rows.length);
  const counts = new Uint32Array(SLOTS);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index];
    const slot = slotOf(table.localAddressBytes(row), table.remoteAddressBytes(row), table.remotePort(row));
    slots[index] = slot;
    counts[slot]++;
  }
  const groups = new Map<string, Row[]>();
  rows.forEach((row, index) => {
    if (counts[slots[index]] < least) return;
    const key = `${table.localAddress(row)} ${table.remoteAddress(row)} ${table.remotePort(row)}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  });
  return [...groups.values()].filter((group) => group.length >= least);
}
