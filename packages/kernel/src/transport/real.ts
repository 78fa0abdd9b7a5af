import { KernelError } from '../errors.ts';
import type { Libc } from '../sys/libc.ts';
import type { MessageBatch } from '../sys/message_batch.ts';
import type { NetlinkTransport } from './transport.ts';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SOL_NETLINK = 270;
/** Since Linux 4.3. */
const NETLINK_CAP_ACK = 10;
const MSG_TRUNC = 0x20;
/** Wait for the first datagram only; take further ones if they are there. */
const MSG_WAITFORONE = 0x10000;
const EINTR = 4;
const EPROTONOSUPPORT = 93;

/** Replies wait here while they are decoded; the kernel caps it at net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 1 << 20;
/** The kernel doubles it: what it usually gives, where net.core.wmem_default says less. Needs CAP_NET_ADMIN. */
const SEND_BUFFER_BYTES = 212_992 / 2;
const TIME_LIMIT_SECONDS = 5;

/** A netlink socket in the network namespace that the calling thread is in now. */
export function openNetlink(libc: Libc, protocol: number): NetlinkTransport {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (fd < 0) throw openError(libc.errno());
  setOptions(libc, fd);
  const batches = new WeakMap<readonly Uint8Array[], MessageBatch>();
  return {
    send(datagram) {
      for (;;) {
        if (libc.send(fd, datagram, datagram.length, 0) >= 0) return;
        const errno = libc.errno();
        if (errno !== EINTR) throw new KernelError('sending a netlink request', errno);
      }
    },
    async sendAside(datagram) {
      for (;;) {
        const result = await libc.sendAside(fd, datagram, datagram.length, 0);
        if (result >= 0) return;
        if (result !== -EINTR) throw new KernelError('sending a netlink request', -result);
      }
    },
    async receive(buffers) {
      let batch = batches.get(buffers);
      if (batch === undefined) {
        batch = libc.messageBatch(buffers);
        batches.set(buffers, batch);
      }
      for (;;) {
        const result = await libc.receiveBatch(fd, batch, MSG_TRUNC | MSG_WAITFORONE);
        if (result >= 0) return Array.from({ length: result }, (_, index) => batch.lengthOf(index));
        if (result !== -EINTR) throw new KernelError('receiving a netlink reply', -result);
      }
    },
    close() {
      libc.close(fd);
    },
  };
}

function openError(errno: number): KernelError {
  return new KernelError('opening a netlink socket', errno, {
    todo:
      errno === EPROTONOSUPPORT
        ? 'load the kernel module for it (modprobe tcp_diag), or use a kernel with CONFIG_INET_DIAG'
        : 'allow AF_NETLINK sockets (seccomp or a container policy forbids them)',
  });
}

function setOptions(libc: Libc, fd: number): void {
  const size = new Uint8Array(new Int32Array([RECEIVE_BUFFER_BYTES]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, size.length);
  const sendSize = new Uint8Array(new Int32Array([SEND_BUFFER_BYTES]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, sendSize, sendSize.length);
  // An error reply then leaves out the request that it answers: sequence numbers tell which.
  const on = new Uint8Array(new Int32Array([1]).buffer);
  libc.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, on, on.length);
  // struct timeval with 64-bit fields: a kernel that never answers must not hang lastack.
  const limit = new Uint8Array(new BigInt64Array([BigInt(TIME_LIMIT_SECONDS), 0n]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.length);
}
