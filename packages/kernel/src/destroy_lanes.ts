import type { NetlinkTransport } from './transport/transport.ts';
import { DESTROY_REQUEST_BYTES, DestroyRequests } from './wire/destroy_requests.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** Messages per system call at most: a send may hold SO_SNDBUF - 32 bytes, 2957 messages by default. */
const SEND_MESSAGES = 2900;
/** Fewer are not worth a system call while more are to come. */
const FEWEST_MESSAGES = 512;
/**
 * Sends under way at once. Nearly all of the work is the kernel's, done on the threads that Node has for that: four, and
 * one of them receives the list.
 */
const LANES = 3;

export interface LanesOptions {
  /** Nothing is sent any more once it is aborted. */
  signal?: AbortSignal;
  /** Rows from this one on are left alone. */
  limit?: number;
  /** Called after each send with the number of rows dealt with. */
  onProgress?(done: number): void;
}

/**
 * Ends the sockets of a table, by identity, while it is still being filled: `advance` each time rows came, `finish` behind
 * the last. What failed is not told; look the sockets up again. The transport is of no use for anything else afterwards:
 * answers to what failed lie in it unread.
 */
export class DestroyLanes {
  readonly #transport: NetlinkTransport;
  readonly #table: DiagTable;
  readonly #options: LanesOptions;
  readonly #idle = Array.from({ length: LANES }, () => new DestroyRequests(SEND_MESSAGES, 0));
  /** Every row before this one was sent, or is being sent. */
  #next = 0;
  #done = 0;
  #isLast = false;
  #failure: { error: unknown } | undefined;
  #finished: (() => void) | undefined;

  constructor(transport: NetlinkTransport, table: DiagTable, options: LanesOptions = {}) {
    this.#transport = transport;
    this.#table = table;
    this.#options = options;
  }

  /** Rows that came since are ended as lanes become free. Returns at once. */
  advance(): void {
    while (this.#idle.length > 0 && this.#waiting >= (this.#isLast ? 1 : FEWEST_MESSAGES)) this.#start();
    if (this.#isLast && this.#idle.length === LANES) this.#finished?.();
  }

  /**
   * All rows have come. Resolves when the kernel has dealt with each, to how many it was asked to end. Rejects with
   * KernelError when that could not be sent, once nothing is under way any more.
   */
  async finish(): Promise<number> {
    this.#isLast = true;
    await new Promise<void>((resolve) => {
      this.#finished = resolve;
      this.advance();
    });
    if (this.#failure) throw this.#failure.error;
    return this.#done;
  }

  get #waiting(): number {
    if (this.#failure || this.#options.signal?.aborted) return 0;
    return Math.min(this.#table.count, this.#options.limit ?? Number.POSITIVE_INFINITY) - this.#next;
  }

  #start(): void {
    const requests = this.#idle.pop();
    if (!requests) return;
    const from = this.#next;
    const to = from + Math.min(this.#waiting, SEND_MESSAGES);
    this.#next = to;
    const count = requests.encode(this.#table.raw(), undefined, from, to, 1, () => undefined);
    const bytes = requests.bytes.subarray(0, count * DESTROY_REQUEST_BYTES);
    void this.#send(bytes)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => {
        this.#idle.push(requests);
        this.#done += to - from;
        this.#options.onProgress?.(this.#done);
        this.advance();
      });
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#transport.sendAside) await this.#transport.sendAside(bytes);
    else this.#transport.send(bytes);
  }
}
