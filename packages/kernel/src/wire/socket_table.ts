import {
  type NumberedRows,
  type SocketKind,
  type SocketTable,
  socketKind,
  type TcpInfo,
  TcpState,
  type TimerColumns,
} from '@lastack/core';
import { formatAddress } from './address.ts';
import { alikeRows } from './alike.ts';
import { rowsByDestination } from './destinations.ts';
import { type RawRows, rowsByRemote } from './endpoints.ts';
import { AF_INET6, ATTRIBUTE_HEADER_BYTES, DIAG_MESSAGE_BYTES, DiagAttribute, DiagField } from './inet_diag.ts';
import { InfoRows } from './info_rows.ts';
import { align4, LITTLE_ENDIAN } from './netlink.ts';
import { ROW_BYTES, ROW_WORDS } from './row_layout.ts';
import { RowsByState } from './rows_by_state.ts';

const HEADER_WORDS = DIAG_MESSAGE_BYTES / 4;
const CGROUP = DIAG_MESSAGE_BYTES;
const MARK = DIAG_MESSAGE_BYTES + 8;
const PRESENT = DIAG_MESSAGE_BYTES + 12;
const HAS_CGROUP = 1;
const HAS_MARK = 2;
const HAS_V6ONLY = 4;
const IS_V6ONLY = 8;

const FIRST_CAPACITY_ROWS = 1024;
const ALL_ROWS = Number.POSITIVE_INFINITY;

/** The sockets of one dump, kept as bytes in one growing array. Filled by `append`, then read through SocketTable. */
export class DiagTable implements SocketTable {
  count = 0;
  #words = new Uint32Array(FIRST_CAPACITY_ROWS * ROW_WORDS);
  #bytes = new Uint8Array(this.#words.buffer);
  #view = new DataView(this.#words.buffer);
  #apart: { filled: number; room: number } | undefined;
  /** Rows from here on are in TIME_WAIT, all of them. */
  #mixedRows = ALL_ROWS;
  #info: InfoRows | undefined;
  #byState: RowsByState | undefined;

  /** @param expectedRows avoids copying while growing; any value is safe. */
  constructor(expectedRows = 0) {
    if (expectedRows > FIRST_CAPACITY_ROWS) this.#resize(expectedRows);
  }

  /**
   * Takes one reply. `words`/`view` cover the receive buffer, `at` is the offset of struct inet_diag_msg (a multiple
   * of 4), `end` that of the end of the message. The caller has checked that the structure is complete.
   */
  append(words: Uint32Array, view: DataView, at: number, end: number): void {
    if (this.count * ROW_WORDS === this.#words.length) this.#resize(this.count * 2);
    const target = this.#words;
    const from = at >> 2;
    const to = this.count * ROW_WORDS;
    for (let index = 0; index < HEADER_WORDS; index++) target[to + index] = words[from + index];
    this.#appendAttributes(words, view, at + DIAG_MESSAGE_BYTES, end, to);
    this.#mixedRows = ALL_ROWS;
    this.count++;
  }

  #appendAttributes(words: Uint32Array, view: DataView, from: number, end: number, row: number): void {
    const target = this.#words;
    let present = 0;
    let at = from;
    while (at + ATTRIBUTE_HEADER_BYTES <= end) {
      const length = view.getUint16(at, LITTLE_ENDIAN);
      if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) break;
      const type = view.getUint16(at + 2, LITTLE_ENDIAN);
      const value = (at >> 2) + 1;
      if (type === DiagAttribute.CGROUP_ID && length >= 12) {
        target[row + CGROUP / 4] = words[value];
        target[row + CGROUP / 4 + 1] = words[value + 1];
        present |= HAS_CGROUP;
      } else if (type === DiagAttribute.MARK && length >= 8) {
        target[row + MARK / 4] = words[value];
        present |= HAS_MARK;
      } else if (type === DiagAttribute.SKV6ONLY && length >= 5) {
        present |= view.getUint8(at + 4) === 0 ? HAS_V6ONLY : HAS_V6ONLY | IS_V6ONLY;
      }
      at += align4(length);
    }
    target[row + PRESENT / 4] = present;
  }

  /**
   * From now on sockets in TIME_WAIT are kept behind the others, until `settle`; rows may not be read before. Among
   * 300,000 of them the sockets that rules look at would lie so far apart that each look waits for memory.
   * @param expectedOthers how many will not be in TIME_WAIT: those beyond that are kept behind too
   */
  keepApart(expectedOthers: number): void {
    this.#apart = { filled: 0, room: expectedOthers };
    this.#mixedRows = 0;
    this.count = expectedOthers;
    if (expectedOthers * ROW_WORDS > this.#words.length) this.#resize(expectedOthers);
  }

  get keepsApart(): boolean {
    return this.#apart !== undefined;
  }

  /** As appendPacked, for sockets that are not in TIME_WAIT while those are kept apart. */
  appendOthers(rows: Uint32Array, count: number): void {
    if (count === 0) return;
    const apart = this.#apart;
    if (!apart || apart.filled + count > apart.room) {
      this.appendPacked(rows, count);
      this.#mixedRows = ALL_ROWS;
    } else {
      this.#words.set(rows.subarray(0, count * ROW_WORDS), apart.filled * ROW_WORDS);
      apart.filled += count;
    }
  }

  /** Fills what was kept free in vain from the end. */
  settle(): void {
    if (!this.#apart) return;
    const { filled, room } = this.#apart;
    const behind = this.count - room;
    const moved = Math.min(room - filled, behind);
    this.#words.copyWithin(filled * ROW_WORDS, (this.count - moved) * ROW_WORDS, this.count * ROW_WORDS);
    this.count = filled + behind;
    if (this.#mixedRows !== ALL_ROWS) this.#mixedRows = filled;
    this.#apart = undefined;
  }

  /** Takes over the first `count` rows of `rows`, packed as they are kept here; all in TIME_WAIT if those are kept apart. */
  appendPacked(rows: Uint32Array, count: number): void {
    if (count === 0) return;
    const needed = this.count + count;
    if (needed * ROW_WORDS > this.#words.length) this.#resize(Math.max(needed, this.count * 2));
    this.#words.set(rows.subarray(0, count * ROW_WORDS), this.count * ROW_WORDS);
    this.count = needed;
  }

  #resize(rows: number): void {
    const words = new Uint32Array(rows * ROW_WORDS);
    words.set(this.#words.subarray(0, this.count * ROW_WORDS));
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer);
    this.#view = new DataView(words.buffer);
  }

  /** Takes over one row of another table. @returns its row number here. */
  copyRow(source: DiagTable, row: number): number {
    if (this.count * ROW_WORDS === this.#words.length) this.#resize(this.count * 2);
    this.#mixedRows = ALL_ROWS;
    this.#words.set(source.#words.subarray(row * ROW_WORDS, (row + 1) * ROW_WORDS), this.count * ROW_WORDS);
    return this.count++;
  }

  /** Forgets all rows; the memory is kept for the next ones. */
  clear(): void {
    this.count = 0;
    this.#mixedRows = ALL_ROWS;
    this.#info = undefined;
    this.#byState = undefined;
  }

  /** Drops all rows for which `keep` is false; row numbers change. Only before TCP_INFO is attached. */
  retain(keep: (row: number) => boolean): void {
    let kept = 0;
    for (let row = 0; row < this.count; row++) {
      if (!keep(row)) continue;
      if (kept !== row) this.#words.copyWithin(kept * ROW_WORDS, row * ROW_WORDS, (row + 1) * ROW_WORDS);
      kept++;
    }
    this.count = kept;
    this.#mixedRows = ALL_ROWS;
    this.#byState = undefined;
  }

  /** Prepares for `attachInfo` of the given rows. */
  expectInfo(rows: readonly number[]): void {
    this.#info ??= new InfoRows(this);
    this.#info.expect(rows);
  }

  /** Takes TCP_INFO of the socket with this cookie, when it was expected and is in the same state as in its row. */
  attachInfo(
    cookieLow: number,
    cookieHigh: number,
    state: number,
    words: Uint32Array,
    at: number,
    length: number,
  ): void {
    this.#info?.attach(cookieLow, cookieHigh, state, words, at, length);
  }

  rowsIn(state: number): Uint32Array {
    if (this.#byState?.count !== this.count)
      this.#byState = new RowsByState(this.#bytes, ROW_BYTES, this.count, Math.min(this.#mixedRows, this.count));
    return this.#byState.rowsIn(state);
  }

  /** Low and high half of the cookie. */
  cookieLow(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.cookie / 4];
  }
  cookieHigh(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.cookie / 4 + 1];
  }

  /** struct inet_diag_sockid of the row (48 bytes): what an exact request needs, cookie included. */
  socketId(row: number): Uint8Array {
    const at = row * ROW_BYTES + DiagField.localPort;
    return this.#bytes.subarray(at, at + 48);
  }

  /** Raw access for the text writer: the bytes of all rows, where a row starts, and the length of one. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  offset(row: number): number {
    return row * ROW_BYTES;
  }

  raw(): RawRows {
    return { bytes: this.#bytes, words: new Int32Array(this.#words.buffer) };
  }

  byDestination(rows: ArrayLike<number>, least: number, localPorts?: Uint8Array): readonly ArrayLike<number>[] {
    return rowsByDestination(this.raw(), rows, least, localPorts);
  }

  alike(rows: ArrayLike<number>): NumberedRows {
    return alikeRows(this.raw(), rows);
  }

  timers(rows: ArrayLike<number>): TimerColumns {
    const [bytes, words] = [this.#bytes, this.#words];
    const expiresMs = new Uint32Array(rows.length);
    const retries = new Uint8Array(rows.length);
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index];
      expiresMs[index] = words[row * ROW_WORDS + DiagField.expiresMs / 4];
      retries[index] = bytes[row * ROW_BYTES + DiagField.retries];
    }
    return { expiresMs, retries };
  }

  byRemote(rows: ArrayLike<number>): NumberedRows {
    return rowsByRemote(this.raw(), rows);
  }

  state(row: number): number {
    const state = this.#bytes[row * ROW_BYTES + DiagField.state];
    // TCP sockets in CLOSE are in no table that a dump walks: this number means "bound, not listening" (since 6.8).
    return state === TcpState.CLOSE ? TcpState.BOUND_INACTIVE : state;
  }
  family(row: number): 4 | 6 {
    return this.#bytes[row * ROW_BYTES + DiagField.family] === AF_INET6 ? 6 : 4;
  }
  kind(row: number): SocketKind {
    return socketKind(this.state(row), this.timer(row), this.inode(row));
  }
  timer(row: number): number {
    return this.#bytes[row * ROW_BYTES + DiagField.timer];
  }
  timerRetries(row: number): number {
    return this.#bytes[row * ROW_BYTES + DiagField.retries];
  }
  timerExpiresMs(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.expiresMs / 4];
  }
  receiveQueue(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.receiveQueue / 4];
  }
  sendQueue(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.sendQueue / 4];
  }
  uid(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.uid / 4];
  }
  inode(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.inode / 4];
  }
  interfaceIndex(row: number): number {
    return this.#words[row * ROW_WORDS + DiagField.interfaceIndex / 4];
  }
  localPort(row: number): number {
    return this.#view.getUint16(row * ROW_BYTES + DiagField.localPort);
  }
  remotePort(row: number): number {
    return this.#view.getUint16(row * ROW_BYTES + DiagField.remotePort);
  }
  localAddress(row: number): string {
    return formatAddress(this.#bytes, row * ROW_BYTES + DiagField.localAddress, this.family(row));
  }
  remoteAddress(row: number): string {
    return formatAddress(this.#bytes, row * ROW_BYTES + DiagField.remoteAddress, this.family(row));
  }
  localAddressBytes(row: number): Uint8Array {
    return this.#addressBytes(row, DiagField.localAddress);
  }
  remoteAddressBytes(row: number): Uint8Array {
    return this.#addressBytes(row, DiagField.remoteAddress);
  }
  #addressBytes(row: number, field: number): Uint8Array {
    const at = row * ROW_BYTES + field;
    return this.#bytes.subarray(at, at + (this.family(row) === 4 ? 4 : 16));
  }
  cookie(row: number): bigint {
    return (BigInt(this.cookieHigh(row)) << 32n) | BigInt(this.cookieLow(row));
  }
  cgroupId(row: number): bigint | undefined {
    const at = row * ROW_BYTES;
    if (!(this.#bytes[at + PRESENT_BYTE] & HAS_CGROUP)) return undefined;
    const word = (at + CGROUP) / 4;
    return (BigInt(this.#words[word + 1]) << 32n) | BigInt(this.#words[word]);
  }
  v6only(row: number): boolean | undefined {
    const present = this.#bytes[row * ROW_BYTES + PRESENT_BYTE];
    return present & HAS_V6ONLY ? (present & IS_V6ONLY) !== 0 : undefined;
  }
  mark(row: number): number | undefined {
    const at = row * ROW_BYTES;
    return this.#bytes[at + PRESENT_BYTE] & HAS_MARK ? this.#words[(at + MARK) / 4] : undefined;
  }
  info(row: number): TcpInfo | undefined {
    return this.#info?.read(row);
  }
}

/** The presence bits fit the word's lowest byte, wherever this machine keeps it. */
const PRESENT_BYTE = LITTLE_ENDIAN ? PRESENT : PRESENT + 3;
