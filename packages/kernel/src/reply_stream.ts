import { monotonicMs } from './sys/clock.ts';

/** The kernel never builds larger dump messages; a smaller buffer would silently lose sockets. */
export const RECEIVE_BYTES = 1 << 15;
/** Datagrams per system call: few, so that the decoder can begin, then many, for the kernel pauses after each call. */
const BATCHES = [4, 16, 64];
/** For a decoder whose thread has other things to do meanwhile. */
export const FEW_BATCHES = [256];
/** So many may have been received and not yet been decoded: 16 MiB. */
const MAX_DATAGRAMS = 512;
/** For so long the decoder keeps the thread before it looks whether the kernel waits for buffers. */
const SLICE_MS = 0.5;

/** One receive buffer as the decoder sees it. */
export interface ReceiveBuffer {
  words: Uint32Array;
  view: DataView;
  bytes: Uint8Array;
}

/** Receive buffers, as the transport and as the decoder see them. */
export interface ReceiveSet {
  bytes: readonly Uint8Array[];
  buffers: readonly ReceiveBuffer[];
}

function receiveSet(datagrams: number): ReceiveSet {
  const words = Array.from({ length: datagrams }, () => new Uint32Array(RECEIVE_BYTES / 4));
  const buffers = words.map((each) => ({
    words: each,
    view: new DataView(each.buffer),
    bytes: new Uint8Array(each.buffer),
  }));
  return { bytes: buffers.map(({ bytes }) => bytes), buffers };
}

interface Filled {
  set: ReceiveSet;
  lengths: readonly number[];
}

export interface Reply {
  buffer: ReceiveBuffer;
  /** Valid bytes. */
  length: number;
}

/**
 * The datagrams of one dump in their order. The kernel's share of the work is the larger one and is done on another
 * thread while it is received: so that it never waits for the decoder, whose first thousands of sockets are slow before
 * V8 has compiled it, receiving goes on into further buffers.
 */
export class ReplyStream {
  readonly #receive: (set: ReceiveSet) => Promise<readonly number[]>;
  readonly #isLast: (buffer: ReceiveBuffer, length: number) => boolean;
  readonly #batches: readonly number[];
  readonly #filled: Filled[] = [];
  readonly #free: ReceiveSet[] = [];
  #made = 0;
  #madeDatagrams = 0;
  /** Nothing more is to be received. */
  #isOver = false;
  #failure: { error: unknown } | undefined;
  /** The receiving under way; resolves always. */
  #pending: Promise<void> | undefined;
  #current: Filled | undefined;
  #next = 0;
  #sliceEndMs = 0;

  /**
   * @param receive fills a set and tells the lengths
   * @param isLast whether nothing follows a datagram
   */
  constructor(
    receive: (set: ReceiveSet) => Promise<readonly number[]>,
    isLast: (buffer: ReceiveBuffer, length: number) => boolean,
    batches: readonly number[] = BATCHES,
  ) {
    this.#batches = batches;
    this.#receive = receive;
    this.#isLast = isLast;
    this.#goOn();
  }

  /** The next datagram; its buffer holds until the next call. Undefined behind the last. Rejects as `receive` does. */
  next(): Reply | undefined | Promise<Reply | undefined> {
    const current = this.#current;
    if (current && this.#next < current.lengths.length && (this.#isOver || monotonicMs() < this.#sliceEndMs)) {
      return this.#take(current);
    }
    return this.#nextLater();
  }

  /** Whether the datagram given last was the last of those received together. */
  get isBatchEnd(): boolean {
    return this.#current === undefined || this.#next === this.#current.lengths.length;
  }

  /** Waits until no buffer is written to any more. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#pending;
  }

  #take({ set, lengths }: Filled): Reply {
    const index = this.#next++;
    return { buffer: set.buffers[index], length: lengths[index] };
  }

  async #nextLater(): Promise<Reply | undefined> {
    if (this.#current && this.#next === this.#current.lengths.length) {
      this.#free.push(this.#current.set);
      this.#current = undefined;
      this.#goOn();
    }
    // One turn of the event loop: what was received meanwhile is taken over, and the next receiving begins.
    if (this.#pending && (this.#current || this.#filled.length > 0)) await new Promise(setImmediate);
    while (!this.#current) {
      this.#current = this.#filled.shift();
      this.#next = 0;
      if (this.#current) break;
      if (!this.#pending) {
        if (this.#failure) throw this.#failure.error;
        return undefined;
      }
      await this.#pending;
    }
    this.#sliceEndMs = monotonicMs() + SLICE_MS;
    return this.#take(this.#current);
  }

  #make(): ReceiveSet | undefined {
    const datagrams = this.#batches[Math.min(this.#made, this.#batches.length - 1)];
    if (this.#madeDatagrams + datagrams > MAX_DATAGRAMS) return undefined;
    this.#made++;
    this.#madeDatagrams += datagrams;
    return receiveSet(datagrams);
  }

  /** Receives into a free set, if there is one and nothing is under way. */
  #goOn(): void {
    if (this.#isOver || this.#pending) return;
    const set = this.#free.pop() ?? this.#make();
    if (!set) return;
    this.#pending = this.#receive(set).then(
      (lengths) => {
        this.#pending = undefined;
        this.#filled.push({ set, lengths });
        this.#isOver ||= lengths.some((length, index) => this.#isLast(set.buffers[index], length));
        this.#goOn();
      },
      (error: unknown) => {
        this.#pending = undefined;
        this.#isOver = true;
        this.#failure = { error };
      },
    );
  }
}
