import { encodeMessage, KernelError, LITTLE_ENDIAN, type Libc, NlmFlag, NlmsgType } from '@lastack/kernel';
import type { Actor } from '@lastack/lab';
import { BlockingNetlink } from '../lib/blocking_netlink.ts';

const SOCK_DIAG_BY_FAMILY = 20;
const ENOENT = 2;
const ESTALE = 116;
const IPPROTO_TCP = 6;
const AF_INET = 2;
const AF_INET6 = 10;
const REPLY_BYTES = 4_096;

/** When the kernel stopped knowing a socket: between two looks, in monotonic milliseconds. */
export interface Death {
  lastSeenMs: number;
  goneMs: number;
}

/**
 * Asks the kernel for single sockets by addresses and cookie, again and again. It shares no decoding with the dump:
 * the answer is "here" or "no such socket".
 */
export class DeathWatch {
  readonly #netlink: BlockingNetlink;
  readonly #reply = new Uint8Array(REPLY_BYTES);
  readonly #alive = new Map<string, { request: Uint8Array; lastSeenMs: number }>();
  readonly deaths = new Map<string, Death>();

  constructor(libc: Libc, actor: Actor) {
    this.#netlink = new BlockingNetlink(libc, actor);
  }

  /** @param socketId struct inet_diag_sockid with the cookie, 48 bytes */
  add(key: string, family: 4 | 6, socketId: Uint8Array): void {
    // struct inet_diag_req_v2: family, protocol, ext, pad, states, sockid
    const body = new Uint8Array(56);
    body[0] = family === 6 ? AF_INET6 : AF_INET;
    body[1] = IPPROTO_TCP;
    body.fill(0xff, 4, 8);
    body.set(socketId, 8);
    const request = encodeMessage(SOCK_DIAG_BY_FAMILY, NlmFlag.REQUEST, 1, body);
    this.#alive.set(key, { request, lastSeenMs: performance.now() });
  }

  get aliveCount(): number {
    return this.#alive.size;
  }

  isAlive(key: string): boolean {
    return this.#alive.has(key);
  }

  /** One look at every socket that was alive at the last. */
  look(): void {
    for (const [key, watched] of this.#alive) {
      const beforeMs = performance.now();
      if (this.#exists(watched.request)) {
        watched.lastSeenMs = beforeMs;
        continue;
      }
      this.#alive.delete(key);
      this.deaths.set(key, { lastSeenMs: watched.lastSeenMs, goneMs: performance.now() });
    }
  }

  /** A request for one socket is answered before `send` returns. */
  #exists(request: Uint8Array): boolean {
    this.#netlink.send(request);
    this.#netlink.receive(this.#reply);
    const view = new DataView(this.#reply.buffer);
    if (view.getUint16(4, LITTLE_ENDIAN) !== NlmsgType.ERROR) return true;
    const errno = -view.getInt32(16, LITTLE_ENDIAN);
    // Another socket answers to the same addresses when the listener of a half-open connection is still there.
    if (errno === ENOENT || errno === ESTALE) return false;
    throw new KernelError('asking for a socket', errno);
  }

  close(): void {
    this.#netlink.close();
  }
}
