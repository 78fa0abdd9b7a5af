import type { Row } from '@lastack/core';
import { DestroyAnswers } from './destroy_answers.ts';
import { identityTable, type SocketIdentity } from './socket_identity.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import { DESTROY_REQUEST_BYTES, DestroyRequests, SEND_MESSAGES } from './wire/destroy_requests.ts';
import type { RawRows } from './wire/endpoints.ts';
import { NLMSG_HEADER_BYTES } from './wire/netlink.ts';
import type { DiagTable } from './wire/socket_table.ts';

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

/** Failures of so many still fit a receive buffer of the usual size. */
const CAREFUL_BATCH = 512;
/**
 * Sends begun at once: nearly all of the work is the kernel's, and it is done on as many threads as Node has for that
 * (four). Several for each thread, since the fence behind them costs a pause.
 */
const SENDS = 12;
const BOLD_BATCH = SENDS * SEND_MESSAGES;
/** Many more datagrams than a batch can cause. */
const DATAGRAM_LIMIT = BOLD_BATCH * 4;
/** Leaves room behind for the sequence numbers of a million sockets and their fences. */
const GREATEST_FIRST_SEQUENCE = 0x7f00_0000;

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
  if (count > 0) await new Exchange(transport, table, rows, codes, options).run();
  return codes;
}

/** So many sockets asked for together. */
interface Batch {
  from: number;
  to: number;
  requests: DestroyRequests;
  /** Requests in it; sockets without identity have none. */
  count: number;
}

class Exchange {
  readonly #transport: NetlinkTransport;
  readonly #table: RawRows;
  readonly #rows: readonly Row[] | undefined;
  readonly #codes: Int16Array;
  readonly #options: DestroyOptions;
  /** Sequence number of the socket at index 0. */
  readonly #base: number;
  readonly #answers: DestroyAnswers;
  /** One is filled while the other is sent. */
  readonly #memory: DestroyRequests[];
  #failures = 0;

  constructor(
    transport: NetlinkTransport,
    table: DiagTable,
    rows: readonly Row[] | undefined,
    codes: Int16Array,
    options: DestroyOptions,
  ) {
    this.#transport = transport;
    this.#table = table.raw();
    this.#rows = rows;
    this.#codes = codes;
    this.#options = options;
    this.#base = options.firstSequence ?? 16 + Math.floor(Math.random() * GREATEST_FIRST_SEQUENCE);
    this.#answers = new DestroyAnswers(transport, this.#base + codes.length, DATAGRAM_LIMIT);
    const most = Math.min(codes.length, codes.length > CAREFUL_BATCH ? BOLD_BATCH : CAREFUL_BATCH);
    const buffers = codes.length > BOLD_BATCH ? 2 : 1;
    this.#memory = Array.from({ length: buffers }, () => new DestroyRequests(most, NLMSG_HEADER_BYTES));
  }

  async run(): Promise<void> {
    const { signal, onBatch } = this.#options;
    let from = 0;
    while (from < this.#codes.length && !signal?.aborted) {
      const careful = this.#prepare(from, CAREFUL_BATCH);
      await this.#sendCarefully(careful);
      from = careful.to;
      onBatch?.(from);
      if (this.#mayBeBold) from = await this.#runBoldly(from);
    }
  }

  /** Where hardly any fail, there is room for the answers of many more. */
  get #mayBeBold(): boolean {
    return this.#failures < CAREFUL_BATCH / 8;
  }

  /** Batch after batch without a pause, as long as hardly any socket fails. @returns where it stopped */
  async #runBoldly(from: number): Promise<number> {
    const { signal, onBatch } = this.#options;
    let done = from;
    let next = this.#prepareNext(from);
    while (next && !signal?.aborted) {
      const batch: Batch = next;
      const sent = this.#send(batch);
      next = this.#prepareNext(batch.to);
      await sent;
      await this.#takeAnswers(batch);
      onBatch?.(batch.to);
      done = batch.to;
      if (!this.#mayBeBold) break;
    }
    return done;
  }

  #prepareNext(from: number): Batch | undefined {
    return from < this.#codes.length ? this.#prepare(from, BOLD_BATCH) : undefined;
  }

  #prepare(from: number, size: number): Batch {
    const requests = this.#memory.reverse()[0];
    const to = Math.min(from + size, this.#codes.length);
    const count = requests.encode(this.#table, this.#rows, from, to, this.#base, (index) => {
      this.#codes[index] = DestroyCode.UNIDENTIFIED;
    });
    return { from, to, requests, count };
  }

  /** In one send, the fence behind the requests. */
  async #sendCarefully(batch: Batch): Promise<void> {
    const { requests, count } = batch;
    if (count === 0) return;
    const { sequence, message } = this.#answers.fence();
    this.#transport.send(requests.withTail(count, message));
    requests.restore(count);
    await this.#collect(batch, sequence);
  }

  /** When this resolves, the kernel has dealt with all requests. */
  async #send({ requests, count }: Batch): Promise<void> {
    const length = count * DESTROY_REQUEST_BYTES;
    const size = Math.ceil(count / SENDS) * DESTROY_REQUEST_BYTES;
    const sends: Promise<void>[] = [];
    for (let at = 0; at < length; at += size) {
      const part = requests.bytes.subarray(at, Math.min(at + size, length));
      if (this.#transport.sendAside) sends.push(this.#transport.sendAside(part));
      else this.#transport.send(part);
    }
    // All of them end before a failure is told: until then their bytes may not be given up.
    for (const result of await Promise.allSettled(sends)) if (result.status === 'rejected') throw result.reason;
  }

  async #takeAnswers(batch: Batch): Promise<void> {
    if (batch.count === 0) return;
    const { sequence, message } = this.#answers.fence();
    this.#transport.send(message);
    await this.#collect(batch, sequence);
  }

  async #collect({ from, to, count }: Batch, fence: number): Promise<void> {
    const codes = this.#codes;
    for (let index = from; index < to; index++) {
      if (codes[index] === DestroyCode.NOT_TRIED) codes[index] = DestroyCode.DONE;
    }
    this.#failures = 0;
    const complete = await this.#answers.collect(fence, (sequence, errno) => {
      const index = sequence - this.#base;
      if (index < from || index >= to) return;
      codes[index] = errno;
      this.#failures++;
    });
    if (complete) return;
    // An answer that is missing may have been the one of any socket without an answer.
    this.#failures = count;
    for (let index = from; index < to; index++) {
      if (codes[index] === DestroyCode.DONE) codes[index] = DestroyCode.UNKNOWN;
    }
  }
}
