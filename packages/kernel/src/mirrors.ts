import { endpointHash, isMirror, portPair, type RawRows } from './wire/endpoints.ts';
import { DiagField } from './wire/inet_diag.ts';
import { PORTS_WORD, ROW_BYTES, ROW_WORDS } from './wire/row_layout.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** A table of one namespace, and those of its rows whose other ends are looked for. */
export interface MirrorQuery {
  table: DiagTable;
  wanted: ArrayLike<number>;
}

/** Which states the two ends of one connection can be in at the same time: bit `other` of the mask at `state`. */
export type StateMasks = Uint16Array;

const STATES = 16;
const NONE = 0;
const SEVERAL = -1;

/**
 * Finds the other ends of the wanted rows among all rows of all tables, in one pass over those whose states allow it.
 * Where several sockets have the mirrored addresses (the same private network used twice) none counts: it cannot be told
 * which. A hash table by what the other end's own hash must be; columns throughout, for a hundred thousand are normal.
 */
export class Mirrors {
  readonly #tables: readonly DiagTable[];
  readonly #raw: readonly RawRows[];
  readonly #masks: StateMasks;
  /** The wanted ones, numbered from 1: table and row of each. */
  readonly #tableOf: Uint16Array;
  readonly #rowOf: Int32Array;
  /** First number of each slot, and the next one behind each; 0 ends. */
  readonly #first: Int32Array;
  readonly #next: Int32Array;
  /** Whether some wanted row has this pair of ports. */
  readonly #portPairs = new Uint8Array(65_536);
  /** By table, then row: row of the other end plus one, NONE or SEVERAL; and the table that it is in. */
  readonly #peerRows: readonly Int32Array[];
  readonly #peerTables: readonly Uint16Array[];

  constructor(queries: readonly MirrorQuery[], masks: StateMasks) {
    const total = queries.reduce((sum, { wanted }) => sum + wanted.length, 0);
    this.#tables = queries.map(({ table }) => table);
    this.#raw = this.#tables.map((table) => table.raw());
    this.#masks = masks;
    this.#tableOf = new Uint16Array(total + 1);
    this.#rowOf = new Int32Array(total + 1);
    this.#next = new Int32Array(total + 1);
    this.#first = new Int32Array(2 ** Math.ceil(Math.log2(total * 2 + 2)));
    this.#peerRows = this.#tables.map(({ count }) => new Int32Array(count));
    this.#peerTables = this.#tables.map(({ count }) => new Uint16Array(count));
    let states = 0;
    let last = 0;
    for (let table = 0; table < queries.length; table++) {
      states |= this.#expect(table, queries[table].wanted, last);
      last += queries[table].wanted.length;
    }
    if (total > 0) for (let table = 0; table < queries.length; table++) this.#searchIn(table, states);
  }

  /** @returns bits of the states that their other ends can be in: mostly not TIME_WAIT, in which most sockets are */
  #expect(table: number, wanted: ArrayLike<number>, last: number): number {
    const { bytes, words } = this.#raw[table];
    const mask = this.#first.length - 1;
    let states = 0;
    for (let index = 0; index < wanted.length; index++) {
      const row = wanted[index];
      const number = last + index + 1;
      const slot = endpointHash(this.#raw[table], row, true) & mask;
      this.#tableOf[number] = table;
      this.#rowOf[number] = row;
      this.#next[number] = this.#first[slot];
      this.#first[slot] = number;
      this.#portPairs[portPair(words[row * ROW_WORDS + PORTS_WORD])] = 1;
      states |= this.#masks[bytes[row * ROW_BYTES + DiagField.state] & (STATES - 1)];
    }
    return states;
  }

  #searchIn(table: number, states: number): void {
    const raw = this.#raw[table];
    const [words, portPairs, first, next] = [raw.words, this.#portPairs, this.#first, this.#next];
    const mask = first.length - 1;
    for (let state = 0; state < STATES; state++) {
      if (((states >> state) & 1) === 0) continue;
      const rows = this.#tables[table].rowsIn(state);
      for (let index = 0; index < rows.length; index++) {
        const row = rows[index];
        if (portPairs[portPair(words[row * ROW_WORDS + PORTS_WORD])] === 0) continue;
        let number = first[endpointHash(raw, row, false) & mask];
        for (; number > 0; number = next[number]) this.#match(number, table, row, state);
      }
    }
  }

  #match(number: number, table: number, row: number, state: number): void {
    const wantedTable = this.#tableOf[number];
    const wantedRow = this.#rowOf[number];
    const wanted = this.#raw[wantedTable];
    const wantedState = wanted.bytes[wantedRow * ROW_BYTES + DiagField.state] & (STATES - 1);
    if (((this.#masks[wantedState] >> state) & 1) === 0 || (wantedTable === table && wantedRow === row)) return;
    if (!isMirror(this.#raw[table], row, wanted, wantedRow)) return;
    const peerRows = this.#peerRows[wantedTable];
    peerRows[wantedRow] = peerRows[wantedRow] === NONE ? row + 1 : SEVERAL;
    this.#peerTables[wantedTable][wantedRow] = table;
  }

  /** Row of the other end, in the table of `tableOf`; negative when none was found, or several. */
  rowOf(table: number, row: number): number {
    return this.#peerRows[table][row] - 1;
  }

  /** Index of the table that `rowOf` speaks of. */
  tableOf(table: number, row: number): number {
    return this.#peerTables[table][row];
  }
}
