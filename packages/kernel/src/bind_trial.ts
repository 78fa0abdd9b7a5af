import { KernelError } from './errors.ts';
import type { Libc } from './sys/libc.ts';
import { LITTLE_ENDIAN } from './wire/netlink.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** Errors of socket(2) that are an answer: this kernel, or this process, has no such address family. */
const NO_FAMILY: ReadonlySet<number> = new Set([1, 13, 22, 93, 97]);

export interface BindTrial {
  /** Network order, 4 or 16 bytes. */
  address: Uint8Array;
  port: number;
  /** Interface index of a link-local address. */
  scopeId?: number;
  v6only: boolean;
  reuseaddr: boolean;
  reuseport: boolean;
}

/**
 * Binds a new socket as a program would, in the network namespace of the calling thread, and closes it at once. It never
 * listens, so nobody can connect to it. For the few microseconds in between the port is taken: another bind at that
 * moment may fail.
 * @returns 0, or the errno of bind(2); EAFNOSUPPORT and the like where no socket of that family can be made
 * @throws KernelError when no socket can be made for another reason (EMFILE, ENOBUFS)
 */
export function tryBind(libc: Libc, trial: BindTrial): number {
  const isIpv4 = trial.address.length === 4;
  const fd = libc.socket(isIpv4 ? AF_INET : AF_INET6, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) {
    const errno = libc.errno();
    if (NO_FAMILY.has(errno)) return errno;
    throw new KernelError('making a socket to try the port with', errno);
  }
  try {
    const set = (level: number, option: number, on: boolean): void => {
      const value = new Uint8Array(new Int32Array([on ? 1 : 0]).buffer);
      if (libc.setsockopt(fd, level, option, value, value.length) < 0) {
        throw new KernelError('setting an option of a socket to try the port with', libc.errno());
      }
    };
    if (!isIpv4) set(IPPROTO_IPV6, IPV6_V6ONLY, trial.v6only);
    if (trial.reuseaddr) set(SOL_SOCKET, SO_REUSEADDR, true);
    if (trial.reuseport) set(SOL_SOCKET, SO_REUSEPORT, true);
    const bytes = socketAddress(trial);
    return libc.bind(fd, bytes, bytes.length) < 0 ? libc.errno() : 0;
  } finally {
    libc.close(fd);
  }
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes). */
function socketAddress({ address, port, scopeId = 0 }: BindTrial): Uint8Array {
  const isIpv4 = address.length === 4;
  const bytes = new Uint8Array(isIpv4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isIpv4 ? AF_INET : AF_INET6, LITTLE_ENDIAN);
  view.setUint16(2, port);
  bytes.set(address, isIpv4 ? 4 : 8);
  if (!isIpv4) view.setUint32(24, scopeId, LITTLE_ENDIAN);
  return bytes;
}
