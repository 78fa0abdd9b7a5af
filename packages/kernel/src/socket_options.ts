import type { SocketOptions } from '@lastack/core';
import { readCookie, readInt, withDuplicate } from './duplicate.ts';
import type { Libc } from './sys/libc.ts';

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
/** include/uapi/linux/tcp.h */
const TcpOption = {
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  SYNCNT: 7,
  LINGER2: 8,
  USER_TIMEOUT: 18,
  RTO_MAX_MS: 44,
} as const;

/**
 * Reads the options of a socket that another process holds, through a duplicate of its descriptor (pidfd_getfd, Linux
 * 5.6; needs ptrace-attach rights). The process is not stopped and nothing is changed.
 * @returns undefined when the descriptor is no longer the socket with that cookie, or its options cannot be read.
 * @throws KernelError when the kernel refuses (EPERM, ESRCH, EBADF).
 */
export function readSocketOptions(libc: Libc, pid: number, fd: number, cookie: bigint): SocketOptions | undefined {
  return withDuplicate(libc, pid, fd, (duplicate) => {
    if (readCookie(libc, duplicate) !== cookie) return undefined;
    const tcp = (option: number) => readInt(libc, duplicate, IPPROTO_TCP, option);
    const keepalive = readInt(libc, duplicate, SOL_SOCKET, SO_KEEPALIVE);
    const options = {
      userTimeoutMs: tcp(TcpOption.USER_TIMEOUT),
      keepalive: keepalive === undefined ? undefined : keepalive !== 0,
      keepaliveIdleSeconds: tcp(TcpOption.KEEPIDLE),
      keepaliveIntervalSeconds: tcp(TcpOption.KEEPINTVL),
      keepaliveProbes: tcp(TcpOption.KEEPCNT),
      linger2Seconds: tcp(TcpOption.LINGER2),
      synCount: tcp(TcpOption.SYNCNT),
    };
    // Older than any kernel that has pidfd_getfd: where one of them cannot be read, something else is wrong.
    if (Object.values(options).includes(undefined)) return undefined;
    return { ...(options as SocketOptions), rtoMaxMs: tcp(TcpOption.RTO_MAX_MS) };
  });
}

/** The cookie behind a descriptor of another process; undefined when it is not a socket. @throws KernelError */
export function cookieOfDescriptor(libc: Libc, pid: number, fd: number): bigint | undefined {
  return withDuplicate(libc, pid, fd, (duplicate) => readCookie(libc, duplicate));
}
