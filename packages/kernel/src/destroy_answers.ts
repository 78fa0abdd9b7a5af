import { KernelError } from './errors.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import { encodeMessage, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag, NlmsgType } from './wire/netlink.ts';

const ENOBUFS = 105;
const REPLY_BYTES = 128;
const REPLIES_AT_ONCE = 64;

/** Takes the answers to many requests of which only the failures are answered. */
export class DestroyAnswers {
  readonly #transport: NetlinkTransport;
  readonly #limit: number;
  readonly #replies = Array.from({ length: REPLIES_AT_ONCE }, () => new Uint8Array(REPLY_BYTES));
  readonly #views = this.#replies.map(({ buffer }) => new DataView(buffer));
  #sequence: number;

  /**
   * @param firstSequence sequence number of the first fence; none above it may be a request's
   * @param limit so many datagrams without a fence's answer mean that something is wrong below
   */
  constructor(transport: NetlinkTransport, firstSequence: number, limit: number) {
    this.#transport = transport;
    this.#limit = limit;
    this.#sequence = firstSequence;
  }

  /** A message that does nothing and is always answered: behind its answer there are none to requests before it. */
  fence(): { sequence: number; message: Uint8Array } {
    const sequence = this.#sequence++;
    return {
      sequence,
      message: encodeMessage(NlmsgType.NOOP, NlmFlag.REQUEST | NlmFlag.ACK, sequence, new Uint8Array(0)),
    };
  }

  /** Takes answers until that of the fence. @returns false when some were lost. Rejects with KernelError. */
  async collect(fenceSequence: number, take: (sequence: number, errno: number) => void): Promise<boolean> {
    let complete = true;
    let end = fenceSequence;
    for (let received = 0; received <= this.#limit; ) {
      const lengths = await this.#receive();
      received += Math.max(lengths?.length ?? 0, 1);
      let ended = false;
      lengths?.forEach((length, index) => {
        const view = this.#views[index];
        if (length < NLMSG_HEADER_BYTES || view.getUint16(4, LITTLE_ENDIAN) !== NlmsgType.ERROR) return;
        const sequence = view.getUint32(8, LITTLE_ENDIAN);
        if (sequence === end) ended = true;
        else take(sequence, errorOf(view, NLMSG_HEADER_BYTES, Math.min(length, REPLY_BYTES)));
      });
      if (ended) return complete;
      if (lengths === undefined) complete = false;
      // The fence's own answer may be among the lost. While the kernel holds answers back it drops every new one,
      // and once the last waiting one was taken it gives answers again: so a new fence after each is never in vain.
      if (!complete) {
        const { sequence, message } = this.fence();
        end = sequence;
        this.#transport.send(message);
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
