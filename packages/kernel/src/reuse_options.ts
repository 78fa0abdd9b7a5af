import { readCookie, readInt, withDuplicate } from './duplicate.ts';
import type { Libc } from './sys/libc.ts';

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

/** What decides whether a socket shares its port; an option that could not be read is undefined. */
export interface ReadReuseOptions {
  reuseaddr?: boolean;
  reuseport?: boolean;
  /** Undefined for IPv4 sockets. */
  v6only?: boolean;
}

/**
 * Reads these options of a socket that another process holds, through a duplicate of its descriptor.
 * @returns undefined when the descriptor is no longer the socket with that cookie
 * @throws KernelError when the kernel refuses (EPERM, ESRCH, EBADF)
 */
export function readReuseOptions(libc: Libc, pid: number, fd: number, cookie: bigint): ReadReuseOptions | undefined {
  return withDuplicate(libc, pid, fd, (duplicate) => {
    if (readCookie(libc, duplicate) !== cookie) return undefined;
    const read = (level: number, option: number): boolean | undefined => {
      const value = readInt(libc, duplicate, level, option);
      return value === undefined ? undefined : value !== 0;
    };
    return {
      reuseaddr: read(SOL_SOCKET, SO_REUSEADDR),
      reuseport: read(SOL_SOCKET, SO_REUSEPORT),
      v6only: read(IPPROTO_IPV6, IPV6_V6ONLY),
    };
  });
}
