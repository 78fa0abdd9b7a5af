import type { NetlinkTransport } from './transport/transport.ts';
import { CookieList } from './wire/cookie_list.ts';
import { cookiesOf, DESTROY_REQUEST_BYTES, DestroyRequests, SEND_MESSAGES } from './wire/destroy_requests.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** Fewer are not worth a system call while more are to come. */
const FEWEST_MESSAGES = 512;
/**
 * Sends under way at once. Nearly all of the work is the kernel's, done on the threads that Node has for that: four, and
 * one of them receives the list. One send more waits its turn, so that none of them is idle until this thread notices.
 */
const LANES = 4;
const CHUNK_ROWS = 512;

export interface LanesOptions {
  /** So many sockets are expected. */
  expected?: number;
  /** So many may be ended; those that are added then are only counted. */
  limit?: number;
  /** Nothing is sent any more once it is aborted. */
  signal?: AbortSignal;
  /** Called after each send with the number of sockets dealt with. */
  onProgress?(done: number): void;
}

/** Requests for one send. */
class Load {
  readonly bytes = new Uint8Array(SEND_MESSAGES * DESTROY_REQUEST_BYTES);
  count = 0;
}

/**
 * Ends sockets by identity, many at once, while others are still being added: nothing is sent before the first `advance`.
 * What failed is not told; look the sockets up again. The transport is of no use for anything else afterwards: the answers
 * to what failed lie in it unread.
 */
export class DestroyLanes {
  /** Whom it was asked to end. */
  readonly asked: CookieList;
  /** Added beyond the limit, and left alone. */
  overLimit = 0;
  readonly #transport: NetlinkTransport;
  readonly #options: LanesOptions;
  readonly #waiting: Load[] = [];
  readonly #free: Load[] = [];
  #filling: Load | undefined;
  #underWay = 0;
  #done = 0;
  #failure: { error: unknown } | undefined;
  /** Set when nothing more is to come. */
  #finished: (() => void) | undefined;

  constructor(transport: NetlinkTransport, options: LanesOptions = {}) {
    this.#transport = transport;
    this.#options = options;
    this.asked = new CookieList(options.expected);
  }

  /** The first `count` of SOCK_DESTROY requests, one behind the other, and their cookies (low half, high half). Copied. */
  addRequests(requests: Uint8Array, cookies: Uint32Array, count: number): void {
    const room = Math.max(0, (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.asked.count);
    const allowed = Math.min(count, room);
    this.overLimit += count - allowed;
    this.asked.add(cookies, allowed);
    for (let at = 0; at < allowed; ) {
      this.#filling ??= this.#free.pop() ?? new Load();
      const load = this.#filling;
      const size = Math.min(allowed - at, SEND_MESSAGES - load.count);
      const part = requests.subarray(at * DESTROY_REQUEST_BYTES, (at + size) * DESTROY_REQUEST_BYTES);
      load.bytes.set(part, load.count * DESTROY_REQUEST_BYTES);
      load.count += size;
      at += size;
      if (load.count === SEND_MESSAGES) this.#close(load);
    }
  }

  /** All rows of a table but those without identity. */
  addRows(table: DiagTable): void {
    const requests = new DestroyRequests(CHUNK_ROWS, 0);
    for (let from = 0; from < table.count; from += CHUNK_ROWS) {
      const to = Math.min(from + CHUNK_ROWS, table.count);
      const count = requests.encode(table.raw(), undefined, from, to, 0, () => undefined);
      this.addRequests(requests.bytes, cookiesOf(requests.bytes, count), count);
    }
  }

  /** Sends what was added, as far as there are lanes free and it is worth it. Returns at once. */
  advance(): void {
    while (this.#underWay < LANES && !this.#failure && !this.#options.signal?.aborted) {
      const fewest = this.#finished ? 1 : FEWEST_MESSAGES;
      if (this.#waiting.length === 0 && this.#filling && this.#filling.count >= fewest) this.#close(this.#filling);
      const load = this.#waiting.shift();
      if (!load) break;
      void this.#send(load);
    }
    if (this.#underWay === 0) this.#finished?.();
  }

  /**
   * Nothing more is to come for now. Resolves when the kernel has dealt with all that was added. Rejects with KernelError
   * when that could not be sent, once nothing is under way any more.
   */
  async finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#finished = resolve;
      this.advance();
    });
    this.#finished = undefined;
    if (this.#failure) throw this.#failure.error;
  }

  #close(load: Load): void {
    this.#waiting.push(load);
    this.#filling = undefined;
  }

  /** Never rejects. */
  async #send(load: Load): Promise<void> {
    this.#underWay++;
    try {
      const bytes = load.bytes.subarray(0, load.count * DESTROY_REQUEST_BYTES);
      if (this.#transport.sendAside) await this.#transport.sendAside(bytes);
      else this.#transport.send(bytes);
      this.#options.onProgress?.(this.#done + load.count);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#underWay--;
    this.#done += load.count;
    load.count = 0;
    this.#free.push(load);
    this.advance();
  }
}
