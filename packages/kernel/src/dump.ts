import { TcpState } from '@lastack/core';
import { KernelError } from './errors.ts';
import { FEW_BATCHES, RECEIVE_BYTES, type ReceiveBuffer, type ReceiveSet, ReplyStream } from './reply_stream.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import {
  ATTRIBUTE_HEADER_BYTES,
  DIAG_MESSAGE_BYTES,
  DiagAttribute,
  DiagField,
  EXTENSION_INFO,
  encodeDumpRequest,
  findAttribute,
  SOCK_DIAG_BY_FAMILY,
  TCPDIAG_GETSOCK,
} from './wire/inet_diag.ts';
import { align4, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** Without an answer in this many datagrams something else is talking: give up rather than loop. */
const STRAY_LIMIT = 1000;
const ENOBUFS = 105;

export interface DumpRequest {
  /** Bits 1 << TcpState. */
  states: number;
  /** INET_DIAG bytecode; undefined = all. */
  bytecode?: Uint8Array;
  /**
   * A second transport of the same namespace. Sockets that are merely bound are found by a walk of their own, over every
   * port in use: a third of the time on a host with many connections. With this transport it runs beside the other.
   */
  aside?: NetlinkTransport;
  /** Is offered the sockets first; `visit` gets those that it leaves. */
  bulk?: BulkVisitor;
}

/** Takes runs of sockets at once, straight from a datagram. */
export interface BulkVisitor {
  /** A datagram of the dump with this sequence number has come: `length` bytes, at most 32 KiB. */
  begin(bytes: Uint8Array, length: number, sequence: number): void;
  /** Takes messages from the offset `at` on. @returns where the first begins that it leaves; `at` when it takes none */
  take(at: number): number;
}

/** Takes one socket: `words` and `view` cover the receive buffer, struct inet_diag_msg starts at `at`. */
export type Visit = (words: Uint32Array, view: DataView, at: number, end: number) => void;

const BOUND = 1 << TcpState.BOUND_INACTIVE;

/**
 * First pass: visits all TCP sockets, IPv4 and IPv6 in one walk, without TCP_INFO. `afterBatch` runs each time some
 * sockets were visited, while the kernel prepares the next.
 * @returns why sockets may be missing or repeated; undefined when the dump is whole. Rejects with KernelError.
 */
export async function dumpSockets(
  transport: NetlinkTransport,
  { states, bytecode, aside, bulk }: DumpRequest,
  visit: Visit,
  afterBatch?: () => void,
): Promise<string | undefined> {
  const dump = (over: NetlinkTransport, mask: number) =>
    walk(over, encodeDumpRequest(1, mask, 0, bytecode), 'listing TCP sockets', { visit, afterBatch, bulk });
  if (!aside || !(states & BOUND) || !(states & ~BOUND)) return dump(transport, states);
  // Both run to their end, also when one fails: their buffers are written to until then.
  const walks = await Promise.allSettled([dump(transport, states & ~BOUND), dump(aside, BOUND)]);
  const incomplete = walks.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  return incomplete.find((because) => because !== undefined);
}

/** From here on this thread has much to do with the rows while the kernel reads. */
const MANY_ROWS = 10_000;

/**
 * Second pass: TCP_INFO for the given rows of the table. Sockets that are gone or moved on meanwhile stay without.
 * @param bytecode lets the kernel leave out sockets that cannot be among the rows
 */
export function fetchInfo(
  transport: NetlinkTransport,
  table: DiagTable,
  rows: readonly number[],
  bytecode?: Uint8Array,
): Promise<string | undefined> {
  let states = 0;
  for (const row of rows) states |= 1 << table.state(row);
  const request = encodeDumpRequest(2, states, EXTENSION_INFO, bytecode);
  const visit: Visit = (words, view, at, end) => {
    const info = findAttribute(view, at + DIAG_MESSAGE_BYTES, end, DiagAttribute.INFO);
    if (info < 0) return;
    const length = view.getUint16(info, LITTLE_ENDIAN) - ATTRIBUTE_HEADER_BYTES;
    const cookie = (at + DiagField.cookie) >> 2;
    const state = view.getUint8(at + DiagField.state);
    table.attachInfo(words[cookie], words[cookie + 1], state, words, info + ATTRIBUTE_HEADER_BYTES, length);
  };
  const batches = rows.length > MANY_ROWS ? FEW_BATCHES : undefined;
  const walked = walk(transport, request, 'reading TCP_INFO', { visit }, batches);
  // Nothing is visited before this thread waits: the kernel is at work meanwhile.
  table.expectInfo(rows);
  return walked;
}

interface Visitors {
  visit: Visit;
  afterBatch?: () => void;
  bulk?: BulkVisitor;
}

/** Sends a dump request and visits each reply; resolves to why the result is incomplete, if it is. */
async function walk(
  transport: NetlinkTransport,
  request: Uint8Array,
  operation: string,
  visitors: Visitors,
  batches?: readonly number[],
): Promise<string | undefined> {
  const sequence = new DataView(request.buffer).getUint32(8, LITTLE_ENDIAN);
  const progress: Progress = { incomplete: undefined, strays: 0, ended: false };
  // The kernel builds the first reply while it takes the request, and walks much before it finds the first socket.
  if (transport.sendAside) await transport.sendAside(request);
  else transport.send(request);
  const isLast = ({ view }: ReceiveBuffer, length: number) => endsDump(view, length, sequence);
  const stream = new ReplyStream((set) => receiveInto(transport, set, progress), isLast, batches);
  try {
    for (let reply = await stream.next(); reply; reply = await stream.next()) {
      readDatagram(reply.buffer, reply.length, sequence, operation, visitors, progress);
      if (stream.isBatchEnd) visitors.afterBatch?.();
    }
    if (!progress.ended) progress.incomplete ??= 'the dump stopped before its end: sockets are missing';
    return progress.incomplete;
  } finally {
    await stream.stop();
  }
}

interface Progress {
  incomplete: string | undefined;
  /** Datagrams that held nothing of ours. */
  strays: number;
  /** The message that ends a dump was read. */
  ended: boolean;
}

/** @returns how many bytes of each buffer are valid */
async function receiveInto(
  transport: NetlinkTransport,
  { bytes }: ReceiveSet,
  progress: Progress,
): Promise<readonly number[]> {
  for (let attempt = 0; ; attempt++) {
    try {
      const lengths = await transport.receive(bytes);
      const cut = lengths.find((length) => length > RECEIVE_BYTES);
      if (cut) progress.incomplete ??= `a reply of ${cut} bytes was cut to ${RECEIVE_BYTES}: sockets are missing`;
      return lengths.map((length) => Math.min(length, RECEIVE_BYTES));
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== ENOBUFS || attempt >= STRAY_LIMIT) throw error;
      // What did not fit the receive buffer is lost; the rest of the dump still comes.
      progress.incomplete ??= 'the receive buffer overflowed (ENOBUFS): sockets are missing';
    }
  }
}

/** DONE: a header and the dump's errno. */
const DONE_BYTES = NLMSG_HEADER_BYTES + 4;
/** A datagram of a dump that goes on holds hundreds of messages; one so short is looked through. */
const SHORT_BYTES = 4096;

/**
 * Whether the datagram holds the message that ends a dump: asked before decoding, so that nobody receives in vain. The
 * end stands alone or last, so that the thousands of messages before it need not be looked at.
 */
function endsDump(view: DataView, end: number, sequence: number): boolean {
  let at = end <= SHORT_BYTES ? 0 : end - DONE_BYTES;
  while (at + NLMSG_HEADER_BYTES <= end) {
    const length = view.getUint32(at, LITTLE_ENDIAN);
    // After a length that cannot be true nothing more can be found, and what follows cannot be trusted.
    if (length < NLMSG_HEADER_BYTES || at + length > end) return end <= SHORT_BYTES;
    const type = view.getUint16(at + 4, LITTLE_ENDIAN);
    const last = type === NlmsgType.DONE || type === NlmsgType.ERROR;
    if (last && view.getUint32(at + 8, LITTLE_ENDIAN) === sequence) return true;
    at += align4(length);
  }
  return end === 0;
}

function readDatagram(
  buffer: ReceiveBuffer,
  end: number,
  sequence: number,
  operation: string,
  { visit, bulk }: Visitors,
  progress: Progress,
): void {
  const { view } = buffer;
  let ours = false;
  let at = 0;
  bulk?.begin(buffer.bytes, end, sequence);
  while (at + NLMSG_HEADER_BYTES <= end) {
    const next = bulk?.take(at) ?? at;
    if (next > at) {
      ours = true;
      at = next;
      continue;
    }
    const length = view.getUint32(at, LITTLE_ENDIAN);
    if (length < NLMSG_HEADER_BYTES || at + length > end) {
      progress.incomplete ??= `a netlink message of ${length} bytes does not fit its datagram: the rest was not read`;
      return;
    }
    if (view.getUint32(at + 8, LITTLE_ENDIAN) === sequence) {
      ours = true;
      readMessage(buffer, at, length, operation, visit, progress);
    }
    at += align4(length);
  }
  if (at < end) progress.incomplete ??= `${end - at} bytes behind the last netlink message: sockets may be missing`;
  if (end === 0) progress.incomplete ??= 'the kernel sent an empty reply: the rest was not read';
  if (!ours && end > 0 && ++progress.strays > STRAY_LIMIT) {
    throw new KernelError(operation, 0, { detail: 'only unrelated messages arrive' });
  }
}

function readMessage(
  { words, view }: ReceiveBuffer,
  at: number,
  length: number,
  operation: string,
  visit: Visit,
  progress: Progress,
): void {
  const body = at + NLMSG_HEADER_BYTES;
  const type = view.getUint16(at + 4, LITTLE_ENDIAN);
  if (view.getUint16(at + 6, LITTLE_ENDIAN) & NlmFlag.DUMP_INTR) {
    progress.incomplete ??= 'the socket table changed during the dump (NLM_F_DUMP_INTR): sockets may be missing';
  }
  if (type === TCPDIAG_GETSOCK || type === SOCK_DIAG_BY_FAMILY) {
    if (length >= NLMSG_HEADER_BYTES + DIAG_MESSAGE_BYTES) visit(words, view, body, at + length);
    else progress.incomplete ??= `a socket message of ${length} bytes is too short: a socket is missing`;
  } else if (type === NlmsgType.ERROR || type === NlmsgType.DONE) {
    progress.ended = true;
    if (type === NlmsgType.ERROR || length >= NLMSG_HEADER_BYTES + 4)
      throwErrno(operation, errorOf(view, body, at + length));
  }
}

const ENOENT = 2;
const EPROTONOSUPPORT = 93;
const EOPNOTSUPP = 95;

function throwErrno(operation: string, errno: number): void {
  if (errno <= 0) return;
  const missing = errno === ENOENT || errno === EPROTONOSUPPORT || errno === EOPNOTSUPP;
  throw new KernelError(operation, errno, {
    detail: missing ? 'this kernel offers no TCP socket diagnosis' : undefined,
    todo: missing ? 'load the module (modprobe tcp_diag) or use a kernel with CONFIG_INET_TCP_DIAG' : undefined,
  });
}
