import { constants } from 'node:os';
import koffi from 'koffi';

// The C library that Node itself is linked with, whichever it is.
const library = koffi.load(null);

export const libc = {
  unshare: library.func('int unshare(int flags)'),
  setns: library.func('int setns(int fd, int type)'),
  socket: library.func('int socket(int domain, int type, int protocol)'),
  bind: library.func('int bind(int fd, void *address, uint length)'),
  listen: library.func('int listen(int fd, int backlog)'),
  accept4: library.func('int accept4(int fd, void *address, void *length, int flags)'),
  connect: library.func('int connect(int fd, void *address, uint length)'),
  getsockname: library.func('int getsockname(int fd, void *address, void *length)'),
  send: library.func('intptr_t send(int fd, void *bytes, size_t length, int flags)'),
  recv: library.func('intptr_t recv(int fd, void *bytes, size_t length, int flags)'),
  shutdown: library.func('int shutdown(int fd, int how)'),
  close: library.func('int close(int fd)'),
  setsockopt: library.func('int setsockopt(int fd, int level, int name, void *value, uint length)'),
  getsockopt: library.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  poll: library.func('int poll(void *fds, unsigned long count, int timeout)'),
};

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const CLONE_NEWNET = 0x40000000;
export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_LINGER = 13;
export const SO_RCVTIMEO = 20;
export const POLLIN = 1;
export const POLLOUT = 4;

/** A system call that failed: `connect: ECONNREFUSED`. */
export class SystemError extends Error {
  readonly code: string;
  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}

// Some numbers have two names (EAGAIN, EWOULDBLOCK): the first in the alphabet is the usual one.
const NAMES = new Map(
  Object.entries(constants.errno)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([name, number]) => [number, name]),
);

export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

export function lastErrno(): string {
  return errnoName(koffi.errno());
}

/** The result of a system call, or its errno as an exception. */
export function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, lastErrno());
  return result;
}
