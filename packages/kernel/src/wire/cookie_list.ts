import type { Row } from '@lastack/core';
import type { DiagTable } from './socket_table.ts';

/** Cookies of many sockets, in the order in which they came. */
export class CookieList {
  count = 0;
  #words: Uint32Array;

  /** @param expected avoids copying while it grows; any value is safe */
  constructor(expected = 0) {
    this.#words = new Uint32Array(Math.max(expected, 512) * 2);
  }

  /** The cookie of each row, at its index. */
  static of(table: DiagTable): CookieList {
    const list = new CookieList(table.count);
    for (let row: Row = 0; row < table.count; row++) {
      list.#words[row * 2] = table.cookieLow(row);
      list.#words[row * 2 + 1] = table.cookieHigh(row);
    }
    list.count = table.count;
    return list;
  }

  /** Adds the first `count` of `pairs`: low half, high half. */
  add(pairs: Uint32Array, count: number): void {
    const needed = (this.count + count) * 2;
    if (needed > this.#words.length) {
      const more = new Uint32Array(Math.max(needed, this.#words.length * 2));
      more.set(this.#words.subarray(0, this.count * 2));
      this.#words = more;
    }
    this.#words.set(pairs.subarray(0, count * 2), this.count * 2);
    this.count += count;
  }

  low(index: number): number {
    return this.#words[index * 2];
  }

  high(index: number): number {
    return this.#words[index * 2 + 1];
  }
}
