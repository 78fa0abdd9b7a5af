import { KernelError } from './errors.ts';
import type { Libc } from './sys/libc.ts';
import { LITTLE_ENDIAN } from './wire/netlink.ts';

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_COOKIE = 57;
const IPPROTO_TCP = 6;
const TCP_REPAIR = 19;
const REPAIR_ON = 1;
/** Leaves repair mode without the window probe that the plain "off" would send. */
const REPAIR_OFF_QUIETLY = -1;
const SHUT_WR = 1;
/** struct sockaddr with sa_family AF_UNSPEC. */
const UNSPECIFIED = new Uint8Array(16);

/**
 * Runs `use` with a duplicate of another process's descriptor (pidfd_getfd, Linux 5.6; needs ptrace-attach rights) and
 * closes it again. The process is not stopped. While the duplicate is open, the socket behind it cannot change.
 * @throws KernelError EPERM, ESRCH (no such process), EBADF (no such descriptor), ENOSYS
 */
export function withDuplicate<T>(libc: Libc, pid: number, fd: number, use: (duplicate: number) => T): T {
  const pidfd = libc.pidfdOpen(pid);
  if (pidfd < 0) throw new KernelError(`opening process ${pid}`, libc.errno());
  try {
    const duplicate = libc.pidfdGetfd(pidfd, fd);
    if (duplicate < 0) {
      throw new KernelError(`duplicating descriptor ${fd} of process ${pid}`, libc.errno(), {
        todo: 'run as root or with CAP_SYS_PTRACE',
      });
    }
    try {
      return use(duplicate);
    } finally {
      libc.close(duplicate);
    }
  } finally {
    libc.close(pidfd);
  }
}

/** SO_COOKIE: the cookie that sock_diag shows for the same socket; undefined when the descriptor is no socket. */
export function readCookie(libc: Libc, fd: number): bigint | undefined {
  const bytes = readOption(libc, fd, SOL_SOCKET, SO_COOKIE, 8);
  return bytes && new DataView(bytes.buffer).getBigUint64(0, LITTLE_ENDIAN);
}

/** @returns undefined when the option cannot be read */
export function readInt(libc: Libc, fd: number, level: number, option: number): number | undefined {
  const bytes = readOption(libc, fd, level, option, 4);
  return bytes && new DataView(bytes.buffer).getInt32(0, LITTLE_ENDIAN);
}

function readOption(libc: Libc, fd: number, level: number, option: number, size: number): Uint8Array | undefined {
  const value = new Uint8Array(size);
  const length = new Uint8Array(new Uint32Array([size]).buffer);
  return libc.getsockopt(fd, level, option, value, length) < 0 ? undefined : value;
}

/** @returns negative when the kernel refuses; `errno` tells why */
export function writeInt(libc: Libc, fd: number, level: number, option: number, value: number): number {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  return libc.setsockopt(fd, level, option, bytes, bytes.length);
}

/** Says to the peer that nothing more will be sent. What is queued is delivered first. @throws KernelError ENOTCONN */
export function shutdownSending(libc: Libc, socket: number): void {
  if (libc.shutdown(socket, SHUT_WR) < 0) throw new KernelError('shutting the socket down for sending', libc.errno());
}

/** Drops the connection at once, with a reset where the state has one; the descriptor stays. @throws KernelError */
export function disconnect(libc: Libc, socket: number): void {
  if (libc.connect(socket, UNSPECIFIED, UNSPECIFIED.length) < 0) {
    throw new KernelError('disconnecting the socket', libc.errno());
  }
}

/**
 * As disconnect, without a packet: in repair mode (CAP_NET_ADMIN) the kernel only forgets. Repair mode is left again,
 * otherwise every later read of the program would fail with EPERM. @throws KernelError
 */
export function disconnectSilently(libc: Libc, socket: number): void {
  // Entering and leaving repair mode both overwrite this one.
  const reuseAddress = readInt(libc, socket, SOL_SOCKET, SO_REUSEADDR);
  if (writeInt(libc, socket, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON) < 0) {
    throw new KernelError('entering repair mode', libc.errno(), { todo: 'run as root or with CAP_NET_ADMIN' });
  }
  try {
    disconnect(libc, socket);
  } finally {
    writeInt(libc, socket, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_QUIETLY);
    if (reuseAddress !== undefined) writeInt(libc, socket, SOL_SOCKET, SO_REUSEADDR, reuseAddress === 0 ? 0 : 1);
  }
}
