import type { NamespaceSnapshot, Row, SocketTable } from '../../snapshot.ts';

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
 * that only rows of crowded destinations are compared. No texts: there may be 300,000 rows.
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
  const groups = new Map<number, Row[][]>();
  for (let index = 0; index < rows.length; index++) {
    const slot = slots[index];
    if (counts[slot] < least) continue;
    let ofSlot = groups.get(slot);
    if (!ofSlot) {
      ofSlot = [];
      groups.set(slot, ofSlot);
    }
    const group = ofSlot.find(([first]) => isSameDestination(table, first, rows[index]));
    if (group) group.push(rows[index]);
    else ofSlot.push([rows[index]]);
  }
  return [...groups.values()].flat().filter((group) => group.length >= least);
}

function isSameDestination(table: SocketTable, one: Row, other: Row): boolean {
  return (
    table.remotePort(one) === table.remotePort(other) &&
    isSame(table.remoteAddressBytes(one), table.remoteAddressBytes(other)) &&
    isSame(table.localAddressBytes(one), table.localAddressBytes(other))
  );
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}
