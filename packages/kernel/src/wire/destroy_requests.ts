import type { Row } from '@lastack/core';
import type { RawRows } from './endpoints.ts';
import { AF_INET, DiagField, IPPROTO_TCP } from './inet_diag.ts';
import { encodeMessage, NLMSG_HEADER_BYTES, NlmFlag } from './netlink.ts';
import { PORTS_WORD, ROW_BYTES, ROW_WORDS } from './row_layout.ts';

/** include/uapi/linux/sock_diag.h */
const SOCK_DESTROY = 21;

/** nlmsghdr (16), then struct inet_diag_req_v2 (56) whose last 48 bytes are struct inet_diag_sockid. */
export const DESTROY_REQUEST_BYTES = 72;
/** So many at most in one system call: a send may hold SO_SNDBUF - 32 bytes, which is 2957 of them by default. */
export const SEND_MESSAGES = 2900;
const REQUEST_WORDS = DESTROY_REQUEST_BYTES / 4;
const SEQUENCE_WORD = 2;
const SOCKET_ID_WORD = 6;
const SOCKET_ID_WORDS = 12;
const COOKIE_WORD = DiagField.cookie / 4;

/** SOCK_DESTROY requests for many sockets, one behind the other, in memory that is used again. */
export class DestroyRequests {
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #template = encodeMessage(SOCK_DESTROY, NlmFlag.REQUEST, 0, requestBody());

  /** @param tailBytes room behind the last request */
  constructor(requests: number, tailBytes: number) {
    this.#words = new Int32Array(requests * REQUEST_WORDS + tailBytes / 4);
    this.bytes = new Uint8Array(this.#words.buffer);
    this.bytes.set(this.#template);
    // Twice as much each time.
    const length = requests * DESTROY_REQUEST_BYTES;
    for (let filled = DESTROY_REQUEST_BYTES; filled < length; filled *= 2) {
      this.bytes.copyWithin(filled, 0, Math.min(filled, length - filled));
    }
  }

  /**
   * Writes a request for each of the sockets at [from, to) of `rows` (of the table's rows where that is undefined), but
   * for those without identity. The sequence number of each is `base` plus its index.
   * @returns how many were written
   */
  encode(
    { bytes, words }: RawRows,
    rows: readonly Row[] | undefined,
    from: number,
    to: number,
    base: number,
    leaveOut: (index: number) => void,
  ): number {
    const target = this.#words;
    const targetBytes = this.bytes;
    let written = 0;
    for (let index = from; index < to; index++) {
      const row = rows === undefined ? index : rows[index];
      const source = row * ROW_WORDS;
      if (!isIdentity(words[source + COOKIE_WORD], words[source + COOKIE_WORD + 1])) {
        leaveOut(index);
        continue;
      }
      const at = written * REQUEST_WORDS;
      target[at + SEQUENCE_WORD] = base + index;
      targetBytes[at * 4 + NLMSG_HEADER_BYTES] = bytes[row * ROW_BYTES];
      for (let word = 0; word < SOCKET_ID_WORDS; word++) {
        target[at + SOCKET_ID_WORD + word] = words[source + PORTS_WORD + word];
      }
      written++;
    }
    return written;
  }

  /** Puts another message behind the first `requests`. @returns the bytes of all of them */
  withTail(requests: number, tail: Uint8Array): Uint8Array {
    const length = requests * DESTROY_REQUEST_BYTES;
    this.bytes.set(tail, length);
    return this.bytes.subarray(0, length + tail.length);
  }

  /** Makes good what `withTail` wrote over. */
  restore(requests: number): void {
    if ((requests + 1) * DESTROY_REQUEST_BYTES <= this.bytes.length) {
      this.bytes.set(this.#template, requests * DESTROY_REQUEST_BYTES);
    }
  }
}

/** The cookies of the first `count` requests: low half, high half. */
export function cookiesOf(requests: Uint8Array, count: number): Uint32Array {
  const words = new Uint32Array(requests.buffer, requests.byteOffset, count * REQUEST_WORDS);
  const cookies = new Uint32Array(count * 2);
  for (let index = 0; index < count; index++) {
    const at = (index + 1) * REQUEST_WORDS - 2;
    cookies[index * 2] = words[at];
    cookies[index * 2 + 1] = words[at + 1];
  }
  return cookies;
}

/** A cookie of all ones would match any socket of that address, even a listener; 0 matches none. */
function isIdentity(low: number, high: number): boolean {
  return (low | high) !== 0 && (low & high) !== -1;
}

/** Family and identity are filled in for each socket. */
function requestBody(): Uint8Array {
  const body = new Uint8Array(DESTROY_REQUEST_BYTES - NLMSG_HEADER_BYTES);
  body[0] = AF_INET;
  body[1] = IPPROTO_TCP;
  // All states.
  body.fill(0xff, 4, 8);
  return body;
}
