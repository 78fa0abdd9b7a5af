import type { NamespaceSnapshot, Row } from '../../snapshot.ts';

/** Hash slots of the counting pass. Two destinations in one slot only make the second pass look closer. */
const SLOTS = 1 << 16;

/**
 * Rows by destination (connections that compete for the same local ports), only those destinations that at least
 * `least` rows share. The first pass counts by hash, so that only rows of crowded destinations are compared. No texts:
 * there may be 300,000 rows.
 */
export function crowdedDestinations(
  { table }: Pick<NamespaceSnapshot, 'table'>,
  rows: readonly Row[],
  least: number,
): readonly (readonly Row[])[] {
  if (rows.length < least) return [];
  const slots = new Uint16Array(rows.length);
  const counts = new Uint32Array(SLOTS);
  for (let index = 0; index < rows.length; index++) {
    const hash = table.destinationHash(rows[index]);
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
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
    const row = rows[index];
    const group = ofSlot.find(([first]) => table.isSameDestination(first, row));
    if (group) group.push(row);
    else ofSlot.push([row]);
  }
  return [...groups.values()].flat().filter((group) => group.length >= least);
}
