import type { NamespaceSnapshot, Row } from '../../snapshot.ts';

/** Hash slots of the counting pass. Two destinations in one slot only make the second pass look closer. */
const SLOTS = 1 << 16;

/**
 * Rows by destination (connections that compete for the same local ports), only those destinations that at least
 * `least` rows share; where `ports` is given, only rows whose local port has a 1 in it. The first pass counts by hash, so that
 * only rows of crowded destinations are compared. No texts, no list of the others: there may be 300,000 rows.
 */
export function crowdedDestinations(
  { table }: Pick<NamespaceSnapshot, 'table'>,
  rows: ArrayLike<Row>,
  least: number,
  ports?: Uint8Array,
): readonly (readonly Row[])[] {
  if (rows.length < least) return [];
  const localPorts = new Uint16Array(rows.length);
  const hashes = new Int32Array(rows.length);
  if (ports) table.localPorts(rows, localPorts);
  table.destinationHashes(rows, hashes);
  /** Slot of each of the rows, plus one; 0 = its port is not meant. */
  const slots = new Uint32Array(rows.length);
  const counts = new Uint32Array(SLOTS);
  for (let index = 0; index < rows.length; index++) {
    if (ports && ports[localPorts[index]] === 0) continue;
    const slot = (hashes[index] ^ (hashes[index] >>> 16)) & (SLOTS - 1);
    slots[index] = slot + 1;
    counts[slot]++;
  }
  const groups = new Map<number, Row[][]>();
  if (!counts.some((count) => count >= least)) return [];
  for (let index = 0; index < rows.length; index++) {
    const slot = slots[index] - 1;
    if (slot < 0 || counts[slot] < least) continue;
    const row = rows[index];
    let ofSlot = groups.get(slot);
    if (!ofSlot) {
      ofSlot = [];
      groups.set(slot, ofSlot);
    }
    const group = ofSlot.find(([first]) => table.isSameDestination(first, row));
    if (group) group.push(row);
    else ofSlot.push([row]);
  }
  return [...groups.values()].flat().filter((group) => group.length >= least);
}
