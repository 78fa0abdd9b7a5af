import type { SocketOptions } from '@lastack/core';
import { readCookie, readInt, withDuplicate, writeInt } from './duplicate.ts';
import { KernelError } from './errors.ts';
import type { Libc } from './sys/libc.ts';

const SOL_SOCKET = 1;
const SO_PROTOCOL = 38;
const IPPROTO_TCP = 6;
/** include/uapi/asm-generic/socket.h, include/uapi/linux/tcp.h */
const SOCKET_OPTIONS: Readonly<Record<keyof SocketOptions, { name: string; level: number; number: number }>> = {
  keepalive: { name: 'SO_KEEPALIVE', level: SOL_SOCKET, number: 9 },
  keepaliveIdleSeconds: { name: 'TCP_KEEPIDLE', level: IPPROTO_TCP, number: 4 },
  keepaliveIntervalSeconds: { name: 'TCP_KEEPINTVL', level: IPPROTO_TCP, number: 5 },
  keepaliveProbes: { name: 'TCP_KEEPCNT', level: IPPROTO_TCP, number: 6 },
  synCount: { name: 'TCP_SYNCNT', level: IPPROTO_TCP, number: 7 },
  linger2Seconds: { name: 'TCP_LINGER2', level: IPPROTO_TCP, number: 8 },
  userTimeoutMs: { name: 'TCP_USER_TIMEOUT', level: IPPROTO_TCP, number: 18 },
  rtoMaxMs: { name: 'TCP_RTO_MAX_MS', level: IPPROTO_TCP, number: 44 },
};

/**
 * Reads the options of a socket that another process holds, through a duplicate of its descriptor (pidfd_getfd, Linux
 * 5.6; needs ptrace-attach rights). The process is not stopped and nothing is changed.
 * @returns undefined when the descriptor is no longer the socket with that cookie, or its options cannot be read.
 * @throws KernelError when the kernel refuses (EPERM, ESRCH, EBADF).
 */
export function readSocketOptions(libc: Libc, pid: number, fd: number, cookie: bigint): SocketOptions | undefined {
  return withDuplicate(libc, pid, fd, (duplicate) =>
    readCookie(libc, duplicate) === cookie ? optionsOf(libc, duplicate) : undefined,
  );
}

/** The options of an open socket; undefined when they cannot be read. */
export function optionsOf(libc: Libc, socket: number): SocketOptions | undefined {
  const read = (key: keyof SocketOptions) =>
    readInt(libc, socket, SOCKET_OPTIONS[key].level, SOCKET_OPTIONS[key].number);
  const keepalive = read('keepalive');
  const options = {
    userTimeoutMs: read('userTimeoutMs'),
    keepalive: keepalive === undefined ? undefined : keepalive !== 0,
    keepaliveIdleSeconds: read('keepaliveIdleSeconds'),
    keepaliveIntervalSeconds: read('keepaliveIntervalSeconds'),
    keepaliveProbes: read('keepaliveProbes'),
    linger2Seconds: read('linger2Seconds'),
    synCount: read('synCount'),
  };
  // Older than any kernel that has pidfd_getfd: where one of them cannot be read, something else is wrong.
  if (Object.values(options).includes(undefined)) return undefined;
  return { ...(options as SocketOptions), rtoMaxMs: read('rtoMaxMs') };
}

/** Sets one option of an open socket, in the unit of its name. @throws KernelError EINVAL, ENOPROTOOPT, … */
export function setSocketOption<Key extends keyof SocketOptions>(
  libc: Libc,
  socket: number,
  key: Key,
  value: NonNullable<SocketOptions[Key]>,
): void {
  const { name, level, number } = SOCKET_OPTIONS[key];
  if (writeInt(libc, socket, level, number, Number(value)) < 0) {
    throw new KernelError(`setting ${name} to ${Number(value)}`, libc.errno());
  }
}

/** Whether an open socket is one of TCP. */
export function isTcpSocket(libc: Libc, socket: number): boolean {
  return readInt(libc, socket, SOL_SOCKET, SO_PROTOCOL) === IPPROTO_TCP;
}

/** The cookie behind a descriptor of another process; undefined when it is not a socket. @throws KernelError */
export function cookieOfDescriptor(libc: Libc, pid: number, fd: number): bigint | undefined {
  return withDuplicate(libc, pid, fd, (duplicate) => readCookie(libc, duplicate));
}
