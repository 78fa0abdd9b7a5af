import type { NumberedRows } from '@lastack/core';

/** A row that was left out has the number -1. */
export interface CountedRows extends NumberedRows {
  /** How many rows each number has. */
  sizes: number[];
}

/**
 * Gives rows that are the same one number, counted in the order met. Integers and one call a row: there may be 300,000.
 * @param hashes any 32 bits for each of the rows, the same for rows that are the same
 * @param isMeant 0 for each of the rows that is left out; undefined: all are meant
 */
export function numberRows(
  rows: ArrayLike<number>,
  hashes: Int32Array,
  isSame: (row: number, other: number) => boolean,
  isMeant?: Uint8Array,
): CountedRows {
  const numbers = new Int32Array(rows.length).fill(-1);
  const firsts: number[] = [];
  const sizes: number[] = [];
  // Open addressing, at most half full; number plus one, 0 = empty: memory that nobody touches costs nothing.
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(rows.length * 2 + 2)));
  const mask = slots.length - 1;
  for (let index = 0; index < rows.length; index++) {
    if (isMeant !== undefined && isMeant[index] === 0) continue;
    const row = rows[index];
    let slot = hashes[index] & mask;
    while (slots[slot] > 0 && !isSame(firsts[slots[slot] - 1], row)) slot = (slot + 1) & mask;
    if (slots[slot] === 0) {
      firsts.push(row);
      sizes.push(0);
      slots[slot] = firsts.length;
    }
    const number = slots[slot] - 1;
    numbers[index] = number;
    sizes[number]++;
  }
  return { numbers, firsts, sizes };
}
