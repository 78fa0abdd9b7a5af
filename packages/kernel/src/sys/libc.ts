import { KernelError } from '../errors.ts';
import type { DirectoryCalls } from '../procfs/descriptors.ts';
import { requireKoffi } from './koffi.ts';
import { type MessageBatch, messageBatch } from './message_batch.ts';

/** The C library functions that lastack calls. Each returns -1 on failure; `errno()` then tells why. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  shutdown(fd: number, how: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  messageBatch(buffers: readonly Uint8Array[]): MessageBatch;
  /** recvmmsg on another thread, so that the caller can work meanwhile. Resolves to the count, negative: -errno. */
  receiveBatch(fd: number, batch: MessageBatch, flags: number): Promise<number>;
  /** `send` on another thread. Resolves to the count, negative: -errno. */
  sendAside(fd: number, bytes: Uint8Array, length: number, flags: number): Promise<number>;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array): number;
  setns(fd: number, type: number): number;
  /** Of the calling thread alone. */
  unshare(flags: number): number;
  /** Where the memory of an array begins; the caller keeps the array alive for as long as the kernel may look. */
  addressOf(array: ArrayBufferView): bigint;
  pidfdOpen(pid: number): number;
  /** Needs ptrace-attach rights over the process. The duplicate is close-on-exec. */
  pidfdGetfd(pidfd: number, fd: number): number;
  /** Signal 0 only checks whether the process is there and may be signalled. */
  pidfdSendSignal(pidfd: number, signal: number): number;
  fcntl(fd: number, command: number, value: number): number;
  flock(fd: number, operation: number): number;
  close(fd: number): number;
  /** clock_getres; undefined where there is no such clock. */
  clockResolutionNs(clock: number): number | undefined;
  /** For the fast walk over /proc/PID/fd. */
  directory: DirectoryCalls;
  /** errno of the last failed call on this thread. */
  errno(): number;
}

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
/** getdents64 has its own number on each machine, unlike the calls since 424. */
const SYS_GETDENTS64: Readonly<Record<string, number>> = { x64: 217, arm64: 61, riscv64: 61, ppc64: 202, s390x: 220 };
const SEEK_SET = 0;
const SEND = 'long send(int fd, const void *bytes, size_t length, int flags)';

interface Func {
  (...args: unknown[]): number;
  async(...args: unknown[]): void;
}
interface Koffi {
  load(path: string | null): { func(prototype: string): Func };
  address(array: ArrayBufferView): bigint;
  errno(): number;
}

const F_SETPIPE_SZ = 1031;
/** What an ordinary user may have (fs.pipe-max-size). */
const LARGE_PIPE_BYTES = 1 << 20;

/**
 * Makes room in a pipe, so that its reader need not be woken, and waited for, every 64 KiB: that takes longer than the
 * writing. What is no pipe stays as it is.
 */
export function growPipe(libc: Libc, fd: number): void {
  libc.fcntl(fd, F_SETPIPE_SZ, LARGE_PIPE_BYTES);
}

/** Loads the C library that Node itself is linked with (no path: works for glibc and musl). */
export function loadLibc(): Libc {
  const koffi = loadKoffi();
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
  const pidfdSendSignal = lazy('long syscall(long number, long fd, long signal, void *info, long flags)');
  const clockGetres = lazy('int clock_getres(int clock, void *resolution)');
  let sendto: Func | undefined;
  let send: Func | undefined;
  const recvmmsg = library.func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)');
  const aside = (call: Func, ...args: unknown[]) =>
    new Promise<number>((resolve, reject) => {
      call.async(...args, (error: Error | null, result: number) => {
        if (error) reject(error);
        // errno is that of the call only while this callback runs.
        else resolve(result < 0 ? -koffi.errno() : result);
      });
    });
  return {
    socket: lazy('int socket(int domain, int type, int protocol)'),
    bind: lazy('int bind(int fd, const void *address, unsigned int length)'),
    listen: lazy('int listen(int fd, int backlog)'),
    accept4: lazy('int accept4(int fd, void *address, void *length, int flags)'),
    connect: lazy('int connect(int fd, const void *address, unsigned int length)'),
    getsockname: lazy('int getsockname(int fd, void *address, void *length)'),
    shutdown: lazy('int shutdown(int fd, int how)'),
    send: lazy(SEND),
    sendto: (...all) => {
      sendto ??= library.func(
        'long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, unsigned int size)',
      );
      return sendto(...all);
    },
    recv: lazy('long recv(int fd, void *bytes, size_t length, int flags)'),
    messageBatch: (buffers) => messageBatch(buffers, (array) => koffi.address(array)),
    receiveBatch: (fd, batch, flags) => aside(recvmmsg, fd, batch.headers, batch.buffers.length, flags, null),
    sendAside: (fd, bytes, length, flags) => {
      send ??= library.func(SEND);
      return aside(send, fd, bytes, length, flags);
    },
    setsockopt: lazy('int setsockopt(int fd, int level, int option, const void *value, unsigned int length)'),
    getsockopt: lazy('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    setns: lazy('int setns(int fd, int type)'),
    unshare: lazy('int unshare(int flags)'),
    addressOf: (array) => koffi.address(array),
    pidfdOpen: (pid) => syscall(SYS_PIDFD_OPEN, pid, 0, 0),
    pidfdGetfd: (pidfd, fd) => syscall(SYS_PIDFD_GETFD, pidfd, fd, 0),
    pidfdSendSignal: (pidfd, signal) => pidfdSendSignal(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, null, 0),
    fcntl: lazy('int fcntl(int fd, int command, int value)'),
    flock: lazy('int flock(int fd, int operation)'),
    close: lazy('int close(int fd)'),
    clockResolutionNs: (clock) => {
      // struct timespec of a 64-bit machine.
      const resolution = new BigInt64Array(2);
      if (clockGetres(clock, resolution) < 0) return undefined;
      return Number(resolution[0]) * 1e9 + Number(resolution[1]);
    },
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

/** @throws KernelError when the package or its binary for this machine is missing */
function loadKoffi(): Koffi {
  try {
    return requireKoffi() as Koffi;
  } catch (error) {
    const detail = `the package koffi has no binary for ${process.platform} ${process.arch} here`;
    const todo = 'install lastack again, with its optional packages';
    throw Object.assign(new KernelError('loading the C library', ENOENT, { detail, todo }), { cause: error });
  }
}

const ENOENT = 2;
