import { createRequire } from 'node:module';
import type { DirectoryCalls } from '../procfs/descriptors.ts';
import { type MessageBatch, messageBatch } from './message_batch.ts';

/** The C library functions that lastack calls. Each returns -1 on failure; `errno()` then tells why. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  messageBatch(buffers: readonly Uint8Array[]): MessageBatch;
  /** recvmmsg on another thread, so that the caller can work meanwhile. Resolves to the count, negative: -errno. */
  receiveBatch(fd: number, batch: MessageBatch, flags: number): Promise<number>;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array): number;
  setns(fd: number, type: number): number;
  pidfdOpen(pid: number): number;
  /** Needs ptrace-attach rights over the process. The duplicate is close-on-exec. */
  pidfdGetfd(pidfd: number, fd: number): number;
  close(fd: number): number;
  /** For the fast walk over /proc/PID/fd. */
  directory: DirectoryCalls;
  /** errno of the last failed call on this thread. */
  errno(): number;
}

const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
/** getdents64 has its own number on each machine, unlike the calls since 424. */
const SYS_GETDENTS64: Readonly<Record<string, number>> = { x64: 217, arm64: 61, riscv64: 61, ppc64: 202, s390x: 220 };
const SEEK_SET = 0;

interface Func {
  (...args: unknown[]): number;
  async(...args: unknown[]): void;
}
interface Koffi {
  load(path: string | null): { func(prototype: string): Func };
  address(array: ArrayBufferView): bigint;
  errno(): number;
}

/** Loads the C library that Node itself is linked with (no path: works for glibc and musl). */
export function loadLibc(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const library = koffi.load(null);
  const lazy = (prototype: string) => {
    let resolved: Func | undefined;
    // Not more than five arguments anywhere, and named ones are cheaper than a rest array: this is called 40,000 times.
    return (a?: unknown, b?: unknown, c?: unknown, d?: unknown, e?: unknown) => {
      resolved ??= library.func(prototype);
      return resolved(a, b, c, d, e);
    };
  };
  const syscall = lazy('long syscall(long number, long a, long b, long c)');
  const recvmmsg = library.func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)');
  return {
    socket: lazy('int socket(int domain, int type, int protocol)'),
    bind: lazy('int bind(int fd, const void *address, unsigned int length)'),
    send: lazy('long send(int fd, const void *bytes, size_t length, int flags)'),
    messageBatch: (buffers) => messageBatch(buffers, (array) => koffi.address(array)),
    receiveBatch: (fd, batch, flags) =>
      new Promise((resolve, reject) => {
        const finish = (error: Error | null, result: number) => {
          if (error) reject(error);
          // errno is that of the call only while this callback runs.
          else resolve(result < 0 ? -koffi.errno() : result);
        };
        recvmmsg.async(fd, batch.headers, batch.buffers.length, flags, null, finish);
      }),
    setsockopt: lazy('int setsockopt(int fd, int level, int option, const void *value, unsigned int length)'),
    getsockopt: lazy('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    setns: lazy('int setns(int fd, int type)'),
    pidfdOpen: (pid) => syscall(SYS_PIDFD_OPEN, pid, 0, 0),
    pidfdGetfd: (pidfd, fd) => syscall(SYS_PIDFD_GETFD, pidfd, fd, 0),
    close: lazy('int close(int fd)'),
    directory: directoryCalls(lazy, () => koffi.errno()),
    errno: () => koffi.errno(),
  };
}

/** These return -errno on failure: the walk meets vanished descriptors all the time. */
function directoryCalls(
  lazy: (prototype: string) => (...args: unknown[]) => number,
  errno: () => number,
): DirectoryCalls {
  const readlinkat = lazy('long readlinkat(int fd, const void *name, void *target, size_t length)');
  const getdents64 = lazy('long syscall(long number, long fd, void *bytes, long length)');
  const lseek = lazy('int64_t lseek(int fd, int64_t offset, int whence)');
  const number = SYS_GETDENTS64[process.arch];
  const checked = (result: number): number => (result < 0 ? -errno() : result);
  const ENOSYS = 38;
  return {
    readlinkat: (fd, name, target) => checked(readlinkat(fd, name, target, target.length)),
    getdents64: (fd, entries) =>
      number === undefined ? -ENOSYS : checked(getdents64(number, fd, entries, entries.length)),
    seek: (fd, offset) => checked(lseek(fd, offset, SEEK_SET)),
  };
}
