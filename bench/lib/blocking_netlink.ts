import { createRequire } from 'node:module';
import { KernelError, type Libc, NetlinkProtocol, withNamespace } from '@lastack/kernel';
import type { Actor } from '@lastack/lab';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;

interface Koffi {
  load(path: string | null): { func(prototype: string): (...args: unknown[]) => number };
  errno(): number;
}

/** What `work` gives inside the actor's network namespace. */
export function inNamespaceOf<T>(actor: Actor, libc: Libc, work: () => T extends PromiseLike<unknown> ? never : T): T {
  const result = withNamespace({ path: `/proc/${actor.pid}/ns/net`, label: actor.name }, libc, work);
  if (!result.ok) throw new Error(`${result.note.what}: ${result.note.because}`);
  return result.value;
}

/** The plainest sock_diag socket: one blocking system call for each message out and each datagram in. */
export class BlockingNetlink {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #recv: (...args: unknown[]) => number;
  readonly #errno: () => number;

  constructor(libc: Libc, actor: Actor) {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    this.#recv = koffi.load(null).func('long recv(int fd, void *buffer, size_t length, int flags)');
    this.#errno = koffi.errno;
    this.#libc = libc;
    this.#fd = inNamespaceOf(actor, libc, () => libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NetlinkProtocol.SOCK_DIAG));
    if (this.#fd < 0) throw new KernelError('opening a netlink socket', libc.errno());
  }

  send(request: Uint8Array): void {
    const sent = this.#libc.send(this.#fd, request, request.length, 0);
    if (sent < 0) throw new KernelError('sending a netlink request', this.#libc.errno());
  }

  /** @returns the datagram's length */
  receive(buffer: Uint8Array): number {
    const received = this.#recv(this.#fd, buffer, buffer.length, 0);
    if (received < 0) throw new KernelError('receiving a netlink reply', this.#errno());
    return received;
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
