// AssemblyScript: compiled to WebAssembly by the build. Packs the socket messages of a datagram into rows of DiagTable,
// as src/wire/socket_table.ts does one by one: struct inet_diag_msg, cgroup id, mark, presence bits and IPV6_V6ONLY.

const ROOM = 32768 + 64;
const ROW_BYTES: u32 = 88;

/** One datagram, and room for what is read beyond it. */
export const REPLY: usize = memory.data(ROOM);
/** The rows packed from it; a message is longer than its row less the 16 bytes of attributes that may be missing. */
export const ROWS: usize = memory.data(ROOM);
/** Those of them that are in TIME_WAIT, where these are kept apart. */
export const MINISOCKET_ROWS: usize = memory.data(ROOM);
/** SOCK_DESTROY requests for them, which are shorter, and their cookies. */
export const REQUESTS: usize = memory.data(ROOM);
export const COOKIES: usize = memory.data(ROOM / 11);

/** Rows packed by the last call. */
export let rowCount: i32 = 0;
export let minisocketCount: i32 = 0;

const HEADER_BYTES: u32 = 16;
const SOCKET_BYTES: u32 = 72;
const TCPDIAG_GETSOCK = 18;
const SOCK_DIAG_BY_FAMILY = 20;
const DUMP_INTR = 0x10;
const V6ONLY = 11;
const MARK = 15;
const CGROUP_ID = 21;
const HAS_CGROUP: u32 = 1;
const HAS_MARK: u32 = 2;
const HAS_V6ONLY: u32 = 4;
const IS_V6ONLY: u32 = 8;
const TIME_WAIT: u8 = 6;
/** nlmsghdr and struct inet_diag_req_v2 (include/uapi/linux/inet_diag.h). */
const REQUEST_BYTES: u32 = 72;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
/** struct inet_diag_sockid, in a row and in a request. */
const ROW_SOCKET_ID: usize = 4;
const REQUEST_SOCKET_ID: usize = 24;
const SOCKET_ID_BYTES: usize = 48;
const ROW_COOKIE: usize = 44;

/**
 * Packs messages from `at` on, up to the first that is no socket of this dump, or until the room for rows is full.
 * @param apart sockets in TIME_WAIT are packed into MINISOCKET_ROWS
 * @returns where that message begins, or `end`
 */
export function packRows(at: usize, end: usize, sequence: u32, apart: bool): usize {
  let row = ROWS;
  let minisocket = MINISOCKET_ROWS;
  while (at + HEADER_BYTES + SOCKET_BYTES <= end) {
    if (row + ROW_BYTES > ROWS + ROOM || minisocket + ROW_BYTES > MINISOCKET_ROWS + ROOM) break;
    const length = load<u32>(at);
    if (length < HEADER_BYTES + SOCKET_BYTES || <u64>at + length > end) break;
    const type = load<u16>(at + 4);
    if (type != TCPDIAG_GETSOCK && type != SOCK_DIAG_BY_FAMILY) break;
    if ((load<u16>(at + 6) & DUMP_INTR) != 0 || load<u32>(at + 8) != sequence) break;
    const socket = at + HEADER_BYTES;
    if (apart && load<u8>(socket + 1) == TIME_WAIT) {
      packRow(minisocket, socket, at + length);
      minisocket += ROW_BYTES;
    } else {
      packRow(row, socket, at + length);
      row += ROW_BYTES;
    }
    at += (<usize>length + 3) & ~3;
  }
  rowCount = <i32>((row - ROWS) / ROW_BYTES);
  minisocketCount = <i32>((minisocket - MINISOCKET_ROWS) / ROW_BYTES);
  return at;
}

@inline
function packRow(row: usize, socket: usize, end: usize): void {
  for (let byte: usize = 0; byte < SOCKET_BYTES; byte += 8) store<u64>(row + byte, load<u64>(socket + byte));
  let present: u32 = 0;
  let cgroup: u64 = 0;
  let mark: u32 = 0;
  let at = socket + SOCKET_BYTES;
  while (at + 4 <= end) {
    const length = <usize>load<u16>(at);
    if (length < 4 || at + length > end) break;
    const type = load<u16>(at + 2);
    if (type == CGROUP_ID && length >= 12) {
      cgroup = load<u64>(at + 4);
      present |= HAS_CGROUP;
    } else if (type == MARK && length >= 8) {
      mark = load<u32>(at + 4);
      present |= HAS_MARK;
    } else if (type == V6ONLY && length >= 5) {
      present |= load<u8>(at + 4) == 0 ? HAS_V6ONLY : HAS_V6ONLY | IS_V6ONLY;
    }
    at += (length + 3) & ~3;
  }
  store<u64>(row + 72, cgroup);
  store<u32>(row + 80, mark);
  store<u32>(row + 84, present);
}

/**
 * Writes requests to end the sockets in ROWS, by identity. One without a cookie of its own has none: 0 matches no socket, and
 * all ones would match any of that address.
 * @returns how many
 */
export function requestRows(): i32 {
  let request = REQUESTS;
  let cookies = COOKIES;
  const end = ROWS + <usize>rowCount * ROW_BYTES;
  for (let row = ROWS; row < end; row += ROW_BYTES) {
    const cookie = load<u64>(row + ROW_COOKIE);
    if (cookie == 0 || cookie == u64.MAX_VALUE) continue;
    store<u32>(request, REQUEST_BYTES);
    store<u16>(request + 4, SOCK_DESTROY);
    store<u16>(request + 6, NLM_F_REQUEST);
    store<u64>(request + 8, 0);
    store<u8>(request + 16, load<u8>(row));
    store<u8>(request + 17, IPPROTO_TCP);
    store<u16>(request + 18, 0);
    store<u32>(request + 20, 0xffff_ffff);
    for (let byte: usize = 0; byte < SOCKET_ID_BYTES; byte += 8)
      store<u64>(request + REQUEST_SOCKET_ID + byte, load<u64>(row + ROW_SOCKET_ID + byte));
    store<u64>(cookies, cookie);
    request += REQUEST_BYTES;
    cookies += 8;
  }
  return <i32>((request - REQUESTS) / REQUEST_BYTES);
}
