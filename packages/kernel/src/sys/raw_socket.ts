import { KernelError } from '../errors.ts';
import { FILTER_INSTRUCTION_BYTES } from '../packet/tap_filter.ts';
import { LITTLE_ENDIAN } from '../wire/netlink.ts';
import type { Libc } from './libc.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_RAW = 255;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_BINDTOIFINDEX = 62;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

const EPERM = 1;
const EINTR = 4;
const EAGAIN = 11;
const EACCES = 13;
const EAFNOSUPPORT = 97;

/**
 * Sends whole IP packets, source address included, as if this host were on their path. They go out (or, to a local
 * address, come in) like packets of a program: by the routing table, and through the firewall's output rules.
 */
export interface PacketSender {
  /**
   * @param interfaceIndex where the destination is meant to be reached: needed for link-local addresses and for sockets
   *   bound to an interface or VRF; 0 leaves it to the routing table
   * @throws KernelError EPERM when a firewall rule forbids it, ENETUNREACH, EINVAL, … without a route
   */
  send(packet: Uint8Array, interfaceIndex?: number): void;
  close(): void;
}

/**
 * A sender in the network namespace that the calling thread is in now; it stays there. IPPROTO_RAW takes the header
 * from the caller for both families. (Frames written to an interface would need link-layer addresses, and those that
 * come in at `lo` that way fail the reverse-path check, which a packet with a route of its own does not meet.)
 * @throws KernelError EPERM without CAP_NET_RAW over the namespace
 */
export function openPacketSender(libc: Libc): PacketSender {
  const ipv4 = rawSocket(libc, AF_INET);
  if (ipv4.fd < 0) throw openError('opening a raw socket', ipv4.errno);
  const ipv6 = rawSocket(libc, AF_INET6);
  const boundTo = new Map<number, number>();
  const bind = (fd: number, index: number) => {
    if ((boundTo.get(fd) ?? 0) === index) return;
    const value = new Uint8Array(new Int32Array([index]).buffer);
    if (libc.setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, value, value.length) < 0) {
      throw new KernelError(`sending by interface ${index}`, libc.errno());
    }
    boundTo.set(fd, index);
  };
  return {
    send(packet, interfaceIndex = 0) {
      const { fd, errno } = packet[0] >> 4 === 4 ? ipv4 : ipv6;
      if (fd < 0) throw openError('opening a raw IPv6 socket', errno);
      bind(fd, interfaceIndex);
      const address = destinationOf(packet);
      for (;;) {
        if (libc.sendto(fd, packet, packet.length, 0, address, address.length) >= 0) return;
        const failure = libc.errno();
        if (failure === EINTR) continue;
        const todo = failure === EPERM ? 'allow it in the output rules of the firewall of this host' : undefined;
        throw new KernelError('sending a packet', failure, { todo });
      }
    },
    close() {
      for (const { fd } of [ipv4, ipv6]) if (fd >= 0) libc.close(fd);
    },
  };
}

function rawSocket(libc: Libc, family: number): { fd: number; errno: number } {
  const fd = libc.socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  return { fd, errno: fd < 0 ? libc.errno() : 0 };
}

/** struct sockaddr_in or sockaddr_in6 of the packet's destination; the port must be 0. */
function destinationOf(packet: Uint8Array): Uint8Array {
  const is4 = packet[0] >> 4 === 4;
  const address = new Uint8Array(is4 ? 16 : 28);
  new DataView(address.buffer).setUint16(0, is4 ? AF_INET : AF_INET6, LITTLE_ENDIAN);
  if (is4) address.set(packet.subarray(16, 20), 4);
  else address.set(packet.subarray(24, 40), 8);
  return address;
}

/** A captured packet from its IP header on, and how long it was on the wire. */
export interface CapturedPacket {
  bytes: Uint8Array;
  wireLength: number;
}

/** Sees the packets that any interface of one namespace sends or receives, forwarded ones (twice) among them. */
export interface PacketTap {
  /** Replaces the filter (see tap_filter.ts). Packets that passed the earlier one may still be waiting. @throws KernelError */
  filter(program: Uint8Array): void;
  /** The next waiting packet; undefined when none waits. @throws KernelError */
  receive(): CapturedPacket | undefined;
  close(): void;
}

/** Headers with all options fit; data is not wanted. */
const CAPTURE_BYTES = 256;

/**
 * A tap in the network namespace that the calling thread is in now; it stays there. Nothing that the filter refuses is
 * ever queued. Does not wait: poll it.
 * @throws KernelError EPERM without CAP_NET_RAW over the namespace
 */
export function openPacketTap(libc: Libc, program: Uint8Array): PacketTap {
  // Without a protocol nothing arrives until the filter stands.
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw openError('opening a packet socket', libc.errno());
  const tap: PacketTap = {
    filter: (replacement) => attach(libc, fd, replacement),
    receive: () => receive(libc, fd),
    close: () => {
      libc.close(fd);
    },
  };
  try {
    tap.filter(program);
    // struct sockaddr_ll: family, protocol in network order, interface 0 = all.
    const address = new Uint8Array(20);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, LITTLE_ENDIAN);
    view.setUint16(2, ETH_P_ALL);
    if (libc.bind(fd, address, address.length) < 0) throw openError('listening for packets', libc.errno());
  } catch (error) {
    tap.close();
    throw error;
  }
  return tap;
}

/** struct sock_fprog of 64-bit machines: u16 count, pointer to the instructions. The kernel copies them. */
function attach(libc: Libc, fd: number, program: Uint8Array): void {
  const value = new Uint8Array(16);
  const view = new DataView(value.buffer);
  view.setUint16(0, program.length / FILTER_INSTRUCTION_BYTES, LITTLE_ENDIAN);
  view.setBigUint64(8, libc.addressOf(program), LITTLE_ENDIAN);
  if (libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, value.length) < 0) {
    throw new KernelError('filtering packets', libc.errno());
  }
}

function receive(libc: Libc, fd: number): CapturedPacket | undefined {
  const buffer = new Uint8Array(CAPTURE_BYTES);
  for (;;) {
    const wireLength = Number(libc.recv(fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC));
    if (wireLength >= 0) return { bytes: buffer.subarray(0, Math.min(wireLength, buffer.length)), wireLength };
    const errno = libc.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR) throw new KernelError('capturing packets', errno);
  }
}

function openError(operation: string, errno: number): KernelError {
  const forbidden = errno === EPERM || errno === EACCES;
  const todo = forbidden
    ? 'run as root or with CAP_NET_RAW'
    : errno === EAFNOSUPPORT
      ? 'use a kernel with CONFIG_PACKET and both IP families'
      : undefined;
  return new KernelError(operation, errno, { todo });
}
