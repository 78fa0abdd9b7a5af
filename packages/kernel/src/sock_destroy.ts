import type { Row } from '@lastack/core';
import { KernelError } from './errors.ts';
import { identityTable, type SocketIdentity } from './socket_identity.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import { AF_INET, DiagField, IPPROTO_TCP } from './wire/inet_diag.ts';
import { encodeMessage, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** include/uapi/linux/sock_diag.h */
const SOCK_DESTROY = 21;
const ENOBUFS = 105;

/** What SOCK_DESTROY did to one socket; every positive value is the errno that the kernel answered. */
export const DestroyCode = {
  /** No error came back. Not yet proof that the socket is gone: look it up again. */
  DONE: 0,
  /** Answers were lost (ENOBUFS): it may or may not have been done. */
  UNKNOWN: -1,
  /** Interrupted before its turn. */
  NOT_TRIED: -2,
  /** Never sent: a cookie of all ones would match any socket of that address, even a listener; 0 matches none. */
  UNIDENTIFIED: -3,
} as const;

export interface DestroyOptions {
  /** Stops between two batches. */
  signal?: AbortSignal;
  /** Called after each batch with the number of sockets dealt with. */
  onBatch?(done: number): void;
  /** Sequence number of the first request. Random by default, so that no late answer to an earlier call is taken for ours. */
  firstSequence?: number;
}

/** nlmsghdr (16), then struct inet_diag_req_v2 (56) whose last 48 bytes are struct inet_diag_sockid. */
const MESSAGE_BYTES = 72;
const MESSAGE_WORDS = MESSAGE_BYTES / 4;
const SOCKET_ID_WORD = 6;
const SOCKET_ID_WORDS = 12;
/** Failures of so many still fit a receive buffer of the usual size. */
const CAREFUL_BATCH = 512;
/** Messages per system call at most: a send may hold SO_SNDBUF - 32 bytes, 2957 messages by default. */
const SEND_MESSAGES = 2900;
/** Two sends at the same time, from two threads: nearly all of the work is the kernel's. */
const BOLD_BATCH = 2 * SEND_MESSAGES;
const TAIL_BYTES = NLMSG_HEADER_BYTES;

const REPLY_BYTES = 128;
const REPLIES_AT_ONCE = 64;
/** Many more datagrams than a batch can cause: something is wrong below. */
const DATAGRAM_LIMIT = BOLD_BATCH * 4;

/**
 * Ends sockets of the transport's namespace by identity, many per system call. Only failures are answered.
 * @returns one DestroyCode or errno per identity. Rejects with KernelError when the transport fails.
 * @throws RangeError for an address that is none
 */
export function destroySockets(
  transport: NetlinkTransport,
  targets: readonly SocketIdentity[],
  options: DestroyOptions = {},
): Promise<Int16Array> {
  return destroyRows(transport, identityTable(targets), undefined, options);
}

/** As destroySockets, for rows of a dump (all of them by default), without making an object of any. */
export async function destroyRows(
  transport: NetlinkTransport,
  table: DiagTable,
  rows?: readonly Row[],
  options: DestroyOptions = {},
): Promise<Int16Array> {
  const count = rows ? rows.length : table.count;
  const codes = new Int16Array(count).fill(DestroyCode.NOT_TRIED);
  const exchange = new Exchange(transport, table, codes, options.firstSequence ?? randomSequence());
  let size = CAREFUL_BATCH;
  for (let from = 0; from < count && !options.signal?.aborted; ) {
    const to = Math.min(from + size, count);
    const failures = await exchange.batch(from, to, rows);
    // Where hardly any fail, there is room for the answers of many more.
    size = failures < CAREFUL_BATCH / 8 ? BOLD_BATCH : CAREFUL_BATCH;
    from = to;
    options.onBatch?.(to);
  }
  return codes;
}

/** Leaves room for the sequence numbers of a million sockets and their batches. */
function randomSequence(): number {
  return 16 + Math.floor(Math.random() * 0x7f00_0000);
}

class Exchange {
  readonly #transport: NetlinkTransport;
  readonly #codes: Int16Array;
  readonly #table: DiagTable;
  readonly #source: Uint32Array;
  readonly #request = new Uint32Array(BOLD_BATCH * MESSAGE_WORDS + TAIL_BYTES / 4);
  readonly #requestBytes = new Uint8Array(this.#request.buffer);
  readonly #template = encodeMessage(SOCK_DESTROY, NlmFlag.REQUEST, 0, requestBody());
  readonly #replies = Array.from({ length: REPLIES_AT_ONCE }, () => new Uint8Array(REPLY_BYTES));
  readonly #views = this.#replies.map(({ buffer }) => new DataView(buffer));
  #sequence: number;

  constructor(transport: NetlinkTransport, table: DiagTable, codes: Int16Array, firstSequence: number) {
    this.#transport = transport;
    this.#table = table;
    this.#codes = codes;
    this.#source = new Uint32Array(table.bytes.buffer);
    this.#sequence = firstSequence;
    for (let index = 0; index < BOLD_BATCH; index++) this.#requestBytes.set(this.#template, index * MESSAGE_BYTES);
  }

  /** Destroys the sockets [from, to) and learns what came of each. @returns how many failed, or may have */
  async batch(from: number, to: number, rows: readonly Row[] | undefined): Promise<number> {
    const first = this.#sequence;
    const sent = this.#encode(from, to, rows);
    if (sent.length === 0) return 0;
    this.#sequence += sent.length;
    const end = this.#sequence++;
    await this.#send(sent.length, end);
    for (const index of sent) this.#codes[index] = DestroyCode.DONE;
    let failures = 0;
    const complete = await this.#collect(end, (sequence, errno) => {
      const index = sent[sequence - first];
      if (index === undefined) return;
      this.#codes[index] = errno;
      failures++;
    });
    // An answer that is missing may have been the one of any socket without an answer.
    if (complete) return failures;
    for (const index of sent) if (this.#codes[index] === DestroyCode.DONE) this.#codes[index] = DestroyCode.UNKNOWN;
    return sent.length;
  }

  /** When this resolves, the kernel has dealt with all messages, and its answers are waiting, the fence's the last. */
  async #send(messages: number, fenceSequence: number): Promise<void> {
    const length = messages * MESSAGE_BYTES;
    if (messages > SEND_MESSAGES || (messages > CAREFUL_BATCH && this.#transport.sendAside)) {
      const middle = Math.ceil(messages / 2) * MESSAGE_BYTES;
      await this.#sendBoth(this.#requestBytes.subarray(0, middle), this.#requestBytes.subarray(middle, length));
      this.#transport.send(fence(fenceSequence));
    } else {
      this.#requestBytes.set(fence(fenceSequence), length);
      this.#transport.send(this.#requestBytes.subarray(0, length + TAIL_BYTES));
      // The next batch finds its template as it was.
      this.#requestBytes.set(this.#template.subarray(0, TAIL_BYTES), length);
    }
  }

  async #sendBoth(one: Uint8Array, other: Uint8Array): Promise<void> {
    const aside = this.#transport.sendAside?.(one);
    if (!aside) this.#transport.send(one);
    // Its failure is told below; until it has ended its bytes may not be given up.
    aside?.catch(() => undefined);
    try {
      this.#transport.send(other);
    } finally {
      await aside;
    }
  }

  /** @returns the indices of the sockets that are in the request */
  #encode(from: number, to: number, rows: readonly Row[] | undefined): number[] {
    const sent: number[] = [];
    for (let index = from; index < to; index++) {
      const row = rows ? rows[index] : index;
      if (!isCookie(this.#table.cookieLow(row), this.#table.cookieHigh(row))) {
        this.#codes[index] = DestroyCode.UNIDENTIFIED;
        continue;
      }
      this.#write(sent.length * MESSAGE_WORDS, row, this.#sequence + sent.length);
      sent.push(index);
    }
    return sent;
  }

  #write(at: number, row: Row, sequence: number): void {
    const { family, localPort } = DiagField;
    const offset = this.#table.offset(row);
    const request = this.#request;
    request[at + 2] = sequence;
    this.#requestBytes[at * 4 + NLMSG_HEADER_BYTES] = this.#table.bytes[offset + family];
    const from = (offset + localPort) >> 2;
    const to = at + SOCKET_ID_WORD;
    for (let word = 0; word < SOCKET_ID_WORDS; word++) request[to + word] = this.#source[from + word];
  }

  /** Takes answers until that of the fence. @returns false when some were lost */
  async #collect(end: number, take: (sequence: number, errno: number) => void): Promise<boolean> {
    let complete = true;
    let fenceSequence = end;
    for (let received = 0; received <= DATAGRAM_LIMIT; ) {
      const lengths = await this.#receive();
      received += Math.max(lengths?.length ?? 0, 1);
      let ended = false;
      lengths?.forEach((length, index) => {
        const view = this.#views[index];
        if (length < NLMSG_HEADER_BYTES || view.getUint16(4, LITTLE_ENDIAN) !== NlmsgType.ERROR) return;
        const sequence = view.getUint32(8, LITTLE_ENDIAN);
        if (sequence === fenceSequence) ended = true;
        else take(sequence, errorOf(view, NLMSG_HEADER_BYTES, Math.min(length, REPLY_BYTES)));
      });
      if (ended) return complete;
      if (lengths === undefined) complete = false;
      // The fence's own answer may be among the lost. While the kernel holds answers back it drops every new one,
      // and once the last waiting one was taken it gives answers again: so a new fence after each is never in vain.
      if (!complete) {
        fenceSequence = this.#sequence++;
        this.#transport.send(fence(fenceSequence));
      }
    }
    throw new KernelError('ending sockets', 0, { detail: 'only unrelated messages arrive' });
  }

  /** undefined: answers were lost. */
  async #receive(): Promise<number[] | undefined> {
    try {
      return await this.#transport.receive(this.#replies);
    } catch (error) {
      if (error instanceof KernelError && error.errno === ENOBUFS) return undefined;
      throw error;
    }
  }
}

function isCookie(low: number, high: number): boolean {
  return (low | high) !== 0 && (low !== 0xffff_ffff || high !== 0xffff_ffff);
}

/** Family and identity are filled in for each socket. */
function requestBody(): Uint8Array {
  const body = new Uint8Array(MESSAGE_BYTES - NLMSG_HEADER_BYTES);
  body[0] = AF_INET;
  body[1] = IPPROTO_TCP;
  // All states.
  body.fill(0xff, 4, 8);
  return body;
}

/** A message that does nothing and is always answered: behind its answer there are no others of the batch. */
function fence(sequence: number): Uint8Array {
  return encodeMessage(NlmsgType.NOOP, NlmFlag.REQUEST | NlmFlag.ACK, sequence, new Uint8Array(0));
}
