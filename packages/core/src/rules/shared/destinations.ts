import type { NamespaceSnapshot, Row } from '../../snapshot.ts';

/** Connections that compete for the same local ports: equal local address, remote address and remote port. */
function hash(local: Uint8Array, remote: Uint8Array, port: number): number {
  let value = port;
  for (const byte of remote) value = (Math.imul(value, 31) + byte) | 0;
  for (const byte of local) value = (Math.imul(value, 31) + byte) | 0;
  return value;
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
  const hashes = new Int32Array(rows.length);
  const counts = new Map<number, number>();
  rows.forEach((row, index) => {
    const value = hash(table.localAddressBytes(row), table.remoteAddressBytes(row), table.remotePort(row));
    hashes[index] = value;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  });
  const groups = new Map<string, Row[]>();
  rows.forEach((row, index) => {
    if ((counts.get(hashes[index]) ?? 0) < least) return;
    const key = `${table.localAddress(row)} ${table.remoteAddress(row)} ${table.remotePort(row)}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  });
  return [...groups.values()].filter((group) => group.length >= least);
}
