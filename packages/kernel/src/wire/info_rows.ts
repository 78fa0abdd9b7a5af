import type { TcpInfo } from '@lastack/core';
import { readTcpInfo, TCP_INFO_BYTES } from './tcp_info.ts';

/** What of a table the join needs. */
interface IdentifiedRows {
  readonly count: number;
  cookieLow(row: number): number;
  cookieHigh(row: number): number;
  state(row: number): number;
}

/** TCP_INFO of the rows that asked for it, joined by cookie. */
export class InfoRows {
  readonly #table: IdentifiedRows;
  /** Hash table of the expected rows by cookie: open addressing, -1 = empty. */
  #rowBySlot = new Int32Array(0);
  /** Where in `#view` the row's structure lies; -1 = not there. */
  readonly #placeOf: Int32Array;
  #expected = 0;
  #words = new Uint32Array(0);
  #view = new DataView(this.#words.buffer);
  #usedBytes = 0;

  constructor(table: IdentifiedRows) {
    this.#table = table;
    this.#placeOf = new Int32Array(table.count).fill(-1);
  }

  expect(rows: readonly number[]): void {
    this.#expected += rows.length;
    this.#rowBySlot = new Int32Array(2 ** Math.ceil(Math.log2(rows.length * 2 + 2))).fill(-1);
    const mask = this.#rowBySlot.length - 1;
    for (const row of rows) {
      let slot = slotOf(this.#table.cookieLow(row)) & mask;
      while (this.#rowBySlot[slot] >= 0) slot = (slot + 1) & mask;
      this.#rowBySlot[slot] = row;
    }
    const grown = new Uint32Array((this.#expected * PLACE_BYTES) / 4);
    grown.set(this.#words.subarray(0, this.#usedBytes / 4));
    this.#words = grown;
    this.#view = new DataView(grown.buffer);
  }

  attach(low: number, high: number, state: number, words: Uint32Array, at: number, length: number): void {
    const row = this.#find(low, high);
    // A socket that moved on between the passes keeps no TCP_INFO: its numbers would belong to another state.
    if (row < 0 || this.#table.state(row) !== state || this.#placeOf[row] >= 0) return;
    const place = this.#usedBytes;
    this.#usedBytes += PLACE_BYTES;
    this.#placeOf[row] = place;
    const kept = Math.min(length, TCP_INFO_BYTES);
    const target = this.#words;
    const to = place / 4;
    target[to] = kept;
    // Word by word: a view of the source for each of 100,000 sockets would cost more than copying it. Attributes begin
    // at multiples of four, and a length that is none is followed by padding.
    const count = (kept + 3) >> 2;
    const from = at >> 2;
    for (let index = 0; index < count; index++) target[to + 1 + index] = words[from + index];
  }

  #find(low: number, high: number): number {
    const mask = this.#rowBySlot.length - 1;
    for (let slot = slotOf(low) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#rowBySlot[slot];
      if (row < 0 || (this.#table.cookieLow(row) === low && this.#table.cookieHigh(row) === high)) return row;
    }
  }

  read(row: number): TcpInfo | undefined {
    const place = this.#placeOf[row];
    return place < 0 ? undefined : readTcpInfo(this.#view, place + 4, this.#words[place / 4]);
  }
}

/** Length word, then the structure. */
const PLACE_BYTES = 4 + TCP_INFO_BYTES;

/** Cookies count up from 1, so that their low halves differ already; this spreads those of one processor's batch. */
function slotOf(cookieLow: number): number {
  return Math.imul(cookieLow, 0x9e37_79b1) >>> 7;
}
