import { type Row, TcpState } from '@lastack/core';
import { dumpSockets } from './dump.ts';
import { KernelError } from './errors.ts';
import { identityTable, type SocketIdentity } from './socket_identity.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import type { CookieList } from './wire/cookie_list.ts';
import { endpointHash } from './wire/endpoints.ts';
import { DIAG_MESSAGE_BYTES, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY } from './wire/inet_diag.ts';
import { encodeMessage, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';
import { DiagTable } from './wire/socket_table.ts';

/** Where a socket that was seen earlier is now. `reused`: it is gone, and another one has its addresses. */
export type SocketNow = { kind: 'gone' } | { kind: 'reused' } | { kind: 'there'; table: DiagTable; row: Row };

/** The same for many rows, in columns. */
export interface RowsNow {
  /** By index of the rows asked for: row of `table`, GONE or REUSED. */
  where: Int32Array;
  table: DiagTable;
  /** Why the answer `gone` may be wrong for some; undefined when it is whole. */
  incomplete?: string;
}
export const GONE = -1;
export const REUSED = -2;

/** From here on one walk over all sockets is cheaper than asking for each. */
const MANY = 500;
const ALL_STATES = 0x3ffe;
const OPEN_STATES = ALL_STATES & ~(1 << TcpState.LISTEN) & ~(1 << TcpState.BOUND_INACTIVE);
const ENOENT = 2;
const EOPNOTSUPP = 95;

/** Looks sockets of the transport's namespace up again. Rejects with KernelError. @throws RangeError for a bad address */
export async function lookupSockets(
  transport: NetlinkTransport,
  identities: readonly SocketIdentity[],
): Promise<SocketNow[]> {
  const { where, table } = await lookupRows(transport, identityTable(identities));
  return Array.from(where, (row): SocketNow => {
    if (row === GONE) return { kind: 'gone' };
    return row === REUSED ? { kind: 'reused' } : { kind: 'there', table, row };
  });
}

/** As lookupSockets, for rows of an earlier dump (all by default). */
export async function lookupRows(
  transport: NetlinkTransport,
  table: DiagTable,
  rows?: readonly Row[],
): Promise<RowsNow> {
  rows ??= Array.from({ length: table.count }, (_, row) => row);
  if (rows.length === 0) return { where: new Int32Array(0), table: new DiagTable() };
  // Listeners and merely bound sockets have no address pair that would find exactly them.
  const hasPair = (row: Row) => ((1 << table.state(row)) & OPEN_STATES) !== 0;
  if (rows.length < MANY && rows.every(hasPair)) return askForEach(transport, table, rows);
  return askForAll(transport, table, rows);
}

/**
 * Asks for whatever socket has the address pair now, and compares cookies: that tells a re-used address from a free
 * one. (Asked with the cookie, the kernel answers ENOENT in both cases.)
 */
async function askForEach(transport: NetlinkTransport, table: DiagTable, rows: readonly Row[]): Promise<RowsNow> {
  const found = new DiagTable(rows.length);
  const where = new Int32Array(rows.length).fill(GONE);
  const buffer = new Uint32Array(1 << 13);
  const buffers = [new Uint8Array(buffer.buffer)];
  const view = new DataView(buffer.buffer);
  for (const [index, row] of rows.entries()) {
    const sequence = index + 16;
    transport.send(exactRequest(sequence, table, row));
    const end = await replyTo(transport, buffers, view, sequence);
    if (end < 0) continue;
    found.append(buffer, view, NLMSG_HEADER_BYTES, end);
    where[index] = judge(table, row, found, found.count - 1);
  }
  return { where, table: found };
}

function exactRequest(sequence: number, table: DiagTable, row: Row): Uint8Array {
  // struct inet_diag_req_v2: family, protocol, ext, pad, states, sockid with a cookie of all ones: any.
  const body = new Uint8Array(56);
  body[0] = table.bytes[table.offset(row)];
  body[1] = IPPROTO_TCP;
  body.fill(0xff, 4, 8);
  body.set(table.socketId(row), 8);
  body.fill(0xff, 48, 56);
  return encodeMessage(SOCK_DIAG_BY_FAMILY, NlmFlag.REQUEST, sequence, body);
}

/** @returns where the socket message ends, negative when there is none. Rejects with KernelError. */
async function replyTo(
  transport: NetlinkTransport,
  buffers: readonly Uint8Array[],
  view: DataView,
  sequence: number,
): Promise<number> {
  const operation = 'looking a socket up again';
  for (let strays = 0; strays < 1000; strays++) {
    const [received] = await transport.receive(buffers);
    const end = Math.min(received, view.byteLength);
    if (end < NLMSG_HEADER_BYTES || view.getUint32(8, LITTLE_ENDIAN) !== sequence) continue;
    const type = view.getUint16(4, LITTLE_ENDIAN);
    if (type === SOCK_DIAG_BY_FAMILY && end >= NLMSG_HEADER_BYTES + DIAG_MESSAGE_BYTES) return end;
    if (type !== NlmsgType.ERROR) break;
    const errno = errorOf(view, NLMSG_HEADER_BYTES, end);
    if (errno === ENOENT) return -1;
    throw new KernelError(operation, errno, errno === EOPNOTSUPP ? { detail: 'not offered by this kernel' } : {});
  }
  throw new KernelError(operation, 0, { detail: 'no usable answer' });
}

/** A request for a pair that no connection has falls back to a listener on the local address: that is no re-use. */
function judge(table: DiagTable, row: Row, found: DiagTable, foundRow: Row): number {
  if (sameCookie(table, row, found, foundRow)) return foundRow;
  return samePair(table, row, found, foundRow) ? REUSED : GONE;
}

function sameCookie(left: DiagTable, leftRow: Row, right: DiagTable, rightRow: Row): boolean {
  return (
    left.cookieLow(leftRow) === right.cookieLow(rightRow) && left.cookieHigh(leftRow) === right.cookieHigh(rightRow)
  );
}

/** struct inet_diag_sockid: ports and addresses are its first 36 bytes. */
const PAIR_BYTES = 36;

function samePair(left: DiagTable, leftRow: Row, right: DiagTable, rightRow: Row): boolean {
  const [mine, theirs] = [left.socketId(leftRow), right.socketId(rightRow)];
  for (let index = 0; index < PAIR_BYTES; index++) if (mine[index] !== theirs[index]) return false;
  return true;
}

/** One dump; its sockets are found by cookie, and those with unknown cookies by address pair. */
async function askForAll(transport: NetlinkTransport, table: DiagTable, rows: readonly Row[]): Promise<RowsNow> {
  const states = rows.some((row) => ((1 << table.state(row)) & OPEN_STATES) === 0) ? ALL_STATES : OPEN_STATES;
  const now = new DiagTable();
  const incomplete = await dumpSockets(transport, { states }, (words, view, at, end) =>
    now.append(words, view, at, end),
  );
  const where = new Int32Array(rows.length).fill(GONE);
  if (now.count === 0) return { where, table: now, incomplete };
  const byCookie = new RowIndex(now, (row) => now.cookieLow(row));
  const [present, past] = [now.raw(), table.raw()];
  const byPair = new RowIndex(now, (row) => endpointHash(present, row, false));
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index];
    const same = byCookie.find(table.cookieLow(row), (candidate) => sameCookie(table, row, now, candidate));
    if (same >= 0) where[index] = isClosed(table, row, now, same) ? GONE : same;
    else if (byPair.find(endpointHash(past, row, false), (other) => samePair(table, row, now, other)) >= 0) {
      where[index] = REUSED;
    }
  }
  return { where, table: now, incomplete };
}

/** Where each of these sockets is in a later dump, by its cookie: a row, or GONE, also where another has its addresses. */
export function findCookies(cookies: CookieList, now: DiagTable): Int32Array {
  const where = new Int32Array(cookies.count).fill(GONE);
  if (now.count === 0) return where;
  const byCookie = new RowIndex(now, (row) => now.cookieLow(row));
  for (let index = 0; index < cookies.count; index++) {
    const low = cookies.low(index);
    const high = cookies.high(index);
    where[index] = byCookie.find(low, (row) => now.cookieLow(row) === low && now.cookieHigh(row) === high);
  }
  return where;
}

/** A socket without its connection is still bound, and listed as such, until its program closes it. */
function isClosed(table: DiagTable, row: Row, now: DiagTable, nowRow: Row): boolean {
  return now.state(nowRow) === TcpState.BOUND_INACTIVE && table.state(row) !== TcpState.BOUND_INACTIVE;
}

/** Rows of a table by a hash of theirs: open addressing, -1 = empty. */
class RowIndex {
  readonly #slots: Int32Array;
  readonly #mask: number;

  constructor(table: DiagTable, hashOf: (row: Row) => number) {
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(table.count * 2 + 2))).fill(-1);
    this.#mask = this.#slots.length - 1;
    for (let row = 0; row < table.count; row++) {
      let slot = this.#slotOf(hashOf(row));
      while (this.#slots[slot] >= 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = row;
    }
  }

  /** @returns -1 when there is none */
  find(hash: number, matches: (row: Row) => boolean): Row {
    for (let slot = this.#slotOf(hash); ; slot = (slot + 1) & this.#mask) {
      const row = this.#slots[slot];
      if (row < 0 || matches(row)) return row;
    }
  }

  #slotOf(hash: number): number {
    return (Math.imul(hash, 0x9e37_79b1) >>> 7) & this.#mask;
  }
}
