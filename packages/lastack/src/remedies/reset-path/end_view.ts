import { randomInt } from 'node:crypto';
import type { EndpointAddress } from '@lastack/core';
import { addToSequence, isAfter, type Segment, TcpFlag } from '@lastack/kernel';
import { exactReset, refusal, spoofedAck, type WireEnd, wireEnd } from '../reset/packets.ts';

const SEQUENCE_NUMBERS = 2 ** 32;
const HALF = 2 ** 31;

/** One end of a connection that passes through, as its packets tell of it. Sends nothing itself. */
export class EndView {
  readonly address: EndpointAddress;
  readonly wire: WireEnd;
  /** The number it expects next: what it acknowledged last. */
  expects: number | undefined;
  /** The number behind all that it has sent. */
  next: number | undefined;
  /** Number of the SYN with which it wants to open the connection; undefined unless such a one passed. */
  attempt: number | undefined;
  /** It sent a packet of the connection. */
  hasSpoken = false;
  /** The same, since it was last asked. */
  spoke = false;
  /** Its host answered that it has no such connection, since it was last asked. */
  denied = false;
  /** A SYN of it passed since it was last asked. */
  attempted = false;
  readonly #asked = new Set<number>();
  #questions = 0;
  readonly #firstGuess = randomInt(SEQUENCE_NUMBERS);

  constructor(address: EndpointAddress) {
    this.address = address;
    this.wire = wireEnd(address);
  }

  /** Takes a segment that this end sent, and not lastack in its name. */
  observe({ tcp, payloadBytes }: Segment): void {
    const { flags, sequence, acknowledgment } = tcp;
    if (flags & TcpFlag.RST) {
      // A host without the connection puts the number that an ACK names into its reset.
      if (this.#asked.has(sequence)) this.denied = true;
      return;
    }
    const control = (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
    const next = addToSequence(sequence, payloadBytes + control);
    if (flags & TcpFlag.SYN) this.#forget();
    this.next = later(this.next, next);
    if (flags & TcpFlag.ACK) {
      this.expects = later(this.expects, acknowledgment);
      // Past the handshake.
      this.attempted = false;
      this.spoke = true;
      this.hasSpoken = true;
    } else if (flags & TcpFlag.SYN) {
      this.attempt = sequence;
      this.attempted = true;
    }
  }

  /** Numbers of an earlier connection of the same addresses mean nothing for this one. */
  #forget(): void {
    this.expects = undefined;
    this.next = undefined;
  }

  /**
   * An ACK, as if from the other end, that this one must answer: outside of its window by one where that is known,
   * which even a firewall that tracks connections lets pass; else at a guess, and next time at the opposite number,
   * since a window covers at most a quarter of all.
   */
  question(other: EndView): Uint8Array {
    this.spoke = false;
    this.denied = false;
    this.attempted = false;
    const guess = (this.#firstGuess + (this.#questions++ % 2) * HALF) % SEQUENCE_NUMBERS;
    const sequence = this.expects === undefined ? guess : addToSequence(this.expects, -1);
    const acknowledgment = this.next ?? randomInt(SEQUENCE_NUMBERS);
    this.#asked.add(acknowledgment);
    return spoofedAck(other.wire, this.wire, sequence, acknowledgment);
  }

  /** Resets that this end must accept, as far as it is known what it expects: data may have reached it meanwhile. */
  resets(other: EndView): Uint8Array[] {
    if (this.expects === undefined) return [];
    const numbers = new Set([this.expects]);
    if (other.next !== undefined && isAfter(other.next, this.expects)) numbers.add(other.next);
    return [...numbers].map((number) => exactReset(other.wire, this.wire, number));
  }

  /** The refusal of its attempt to connect. */
  refusal(other: EndView): Uint8Array | undefined {
    return this.attempt === undefined ? undefined : refusal(other.wire, this.wire, this.attempt);
  }
}

function later(known: number | undefined, seen: number): number {
  return known === undefined || isAfter(seen, known) ? seen : known;
}
