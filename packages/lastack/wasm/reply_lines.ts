// AssemblyScript: compiled to WebAssembly by the build. Writes the lines of `ls` for the sockets that most of a large
// host consists of: IPv4, without a namespace column, with an end of line that many share. It is fast from the first
// line on, where the same in JavaScript spends its first 30,000 lines on being compiled.
//
// All tables are filled by src/cli/render/reply_lines.ts, which also says what the numbers mean.

export const TENTHS: u32 = 1000;
export const TAIL_BYTES: u32 = 48;

/** `0.` to `255.` as four bytes each, and how many of them count. */
export const OCTETS: usize = memory.data(1024);
export const OCTET_LENGTHS: usize = memory.data(256);
/** `00` to `99`. */
export const PAIRS: usize = memory.data(200);
/** STATE, RECV-Q and SEND-Q of idle sockets: 32 bytes by state, of which HEAD_BYTES count. */
export const HEADS: usize = memory.data(512);
/** What stands behind the addresses: TAIL_BYTES each, by tenths of a second and then by state, the first of which tells how many follow; 0 = not known yet. */
export const TAILS: usize = memory.data(48 * (1000 + 16));
/** One datagram, and room for what is read beyond it. */
export const REPLY: usize = memory.data(32768 + 64);

/** Where the line behind the last one begins, and how many were written, of the last call. */
export let lineEnd: usize = 0;
export let lineCount: i32 = 0;

const HEADER_BYTES: u32 = 16;
const SOCKET_BYTES: u32 = 72;
const TCPDIAG_GETSOCK = 18;
const SOCK_DIAG_BY_FAMILY = 20;
const DUMP_INTR = 0x10;
const AF_INET = 2;
const TIME_WAIT: u32 = 6;
const CLOSE: u32 = 7;

// struct inet_diag_msg
const STATE: usize = 1;
const TIMER: usize = 2;
const LOCAL_PORT: usize = 4;
const REMOTE_PORT: usize = 6;
const LOCAL_ADDRESS: usize = 8;
const REMOTE_ADDRESS: usize = 24;
const EXPIRES_MS: usize = 52;
const QUEUES: usize = 56;
const INODE: usize = 68;

const RECEIVE_QUEUE_COLUMN: usize = 12;
const SEND_QUEUE_COLUMN: usize = 20;
const HEAD_BYTES: usize = 28;
const REMOTE_COLUMN: usize = 50;
const TAIL_COLUMN: usize = 72;

const COLON: u8 = 58;
const STAR: u8 = 42;
const ZERO: u8 = 48;
const LINE_FEED: u8 = 10;
const EIGHT_SPACES: u64 = 0x2020202020202020;

/**
 * Writes lines from `out` on for the messages from `at` on, up to the first that is no plain socket of this dump.
 * No line begins at or behind `limit`. `held`: sockets with an owner are left to the caller, too.
 * @returns where that message begins, or `end`
 */
export function writeLines(at: usize, end: usize, sequence: u32, held: bool, out: usize, limit: usize): usize {
  let count = 0;
  while (at + HEADER_BYTES + SOCKET_BYTES <= end && out < limit) {
    const length = load<u32>(at);
    if (length < HEADER_BYTES + SOCKET_BYTES || <u64>at + length > end) break;
    const type = load<u16>(at + 4);
    if (type != TCPDIAG_GETSOCK && type != SOCK_DIAG_BY_FAMILY) break;
    if ((load<u16>(at + 6) & DUMP_INTR) != 0 || load<u32>(at + 8) != sequence) break;
    const socket = at + HEADER_BYTES;
    const tail = tailOf(socket, held);
    if (tail == 0 || load<u8>(tail) == 0 || load<u8>(socket) != AF_INET) break;
    const next = putLine(out, socket, tail);
    if (next == 0) break;
    out = next;
    count++;
    at += (<usize>length + 3) & ~3;
  }
  lineEnd = out;
  lineCount = count;
  return at;
}

/** Sockets that end within the same tenth of a second, or never, share what is said of it; 0: the socket's own alone. */
@inline
function tailOf(socket: usize, held: bool): usize {
  const state = <u32>load<u8>(socket + STATE);
  const isHeld = load<u32>(socket + INODE) != 0;
  if (held && isHeld) return 0;
  if (state == TIME_WAIT) {
    const tenth = load<u32>(socket + EXPIRES_MS) / 100;
    return tenth < TENTHS ? TAILS + tenth * TAIL_BYTES : 0;
  }
  // A socket in CLOSE is a bound one, whose state is shown by another name.
  if (!isHeld || load<u8>(socket + TIMER) != 0 || state == CLOSE || state > 15) return 0;
  return TAILS + (TENTHS + state) * TAIL_BYTES;
}

/** @returns the position behind the line; 0 when its queues are too long for this. */
@inline
function putLine(start: usize, socket: usize, tail: usize): usize {
  const head = HEADS + (<usize>load<u8>(socket + STATE) << 5);
  putCopy(start, head, HEAD_BYTES);
  let out = start + HEAD_BYTES;
  if (load<u64>(socket + QUEUES) != 0) {
    const received = load<u32>(socket + QUEUES);
    const sent = load<u32>(socket + QUEUES + 4);
    if (received > 65535 || sent > 65535) return 0;
    out = putPadding(putNumber(start + RECEIVE_QUEUE_COLUMN, received), start + SEND_QUEUE_COLUMN);
    out = putPadding(putNumber(out, sent), start + HEAD_BYTES);
  }
  out = putPadding(putEndpoint(out, socket + LOCAL_ADDRESS, socket + LOCAL_PORT), start + REMOTE_COLUMN);
  out = putPadding(putEndpoint(out, socket + REMOTE_ADDRESS, socket + REMOTE_PORT), start + TAIL_COLUMN);
  const length = <usize>load<u8>(tail);
  putCopy(out, tail + 1, length);
  out += length;
  store<u8>(out, LINE_FEED);
  return out + 1;
}

/** In steps of eight bytes, for a call of memory.copy takes longer than all else: up to seven too many are written. */
@inline
function putCopy(out: usize, from: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 8) store<u64>(out + at, load<u64>(from + at));
}

@inline
function putEndpoint(out: usize, address: usize, port: usize): usize {
  const quad = load<u32>(address);
  out = putOctet(out, quad & 255);
  out = putOctet(out, (quad >> 8) & 255);
  out = putOctet(out, (quad >> 16) & 255);
  out = putOctet(out, quad >> 24);
  store<u8>(out - 1, COLON);
  const number = <u32>bswap<u16>(load<u16>(port));
  if (number != 0) return putNumber(out, number);
  store<u8>(out, STAR);
  return out + 1;
}

@inline
function putOctet(out: usize, octet: u32): usize {
  store<u32>(out, load<u32>(OCTETS + (<usize>octet << 2)));
  return out + load<u8>(OCTET_LENGTHS + octet);
}

/** Up to 65535, in decimal. */
@inline
function putNumber(out: usize, value: u32): usize {
  if (value < 10) {
    store<u8>(out, ZERO + <u8>value);
    return out + 1;
  }
  if (value < 100) {
    putPair(out, value);
    return out + 2;
  }
  const hundreds = value / 100;
  const rest = value - hundreds * 100;
  if (value < 1000) {
    store<u8>(out, ZERO + <u8>hundreds);
    putPair(out + 1, rest);
    return out + 3;
  }
  if (value < 10000) {
    putPair(out, hundreds);
    putPair(out + 2, rest);
    return out + 4;
  }
  const first = hundreds / 100;
  store<u8>(out, ZERO + <u8>first);
  putPair(out + 1, hundreds - first * 100);
  putPair(out + 3, rest);
  return out + 5;
}

@inline
function putPair(out: usize, value: u32): void {
  store<u16>(out, load<u16>(PAIRS + (<usize>value << 1)));
}

/** At least one space, up to `column`. */
@inline
function putPadding(out: usize, column: usize): usize {
  store<u64>(out, EIGHT_SPACES);
  for (let at = out + 8; at < column; at += 8) store<u64>(at, EIGHT_SPACES);
  return out < column ? column : out + 1;
}
