import { closeSync, openSync } from 'node:fs';
import { TcpState } from '@lastack/core';
import { readCookie } from './duplicate.ts';
import { KernelError } from './errors.ts';
import { NamespaceReturnError } from './netns/enter.ts';
import type { SocketIdentity } from './socket_identity.ts';
import type { Libc } from './sys/libc.ts';
import { openNetlink } from './transport/real.ts';
import { NetlinkProtocol, type NetlinkTransport } from './transport/transport.ts';
import { encodeMessage, LITTLE_ENDIAN, NlmFlag } from './wire/netlink.ts';

/** An orphan in FIN_WAIT1 of our own making, in a network namespace that nothing else lives in. */
export interface OwnOrphan {
  identity: SocketIdentity;
  /** Socket diagnosis in that namespace. */
  diag: NetlinkTransport;
  /** Ends the orphan, if it is still there, by a reset from its peer; the namespace goes with it. */
  release(): void;
}

const CLONE_NEWNET = 0x4000_0000;
const AF_INET = 2;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SocketOption = { LINGER: 13, RCVTIMEO: 20, SNDTIMEO: 21, ATTACH_FILTER: 26, DETACH_FILTER: 27 } as const;
/** Generous: over loopback it takes microseconds. */
const LIMIT_SECONDS = 2;

/**
 * Makes one: a connection over the loopback of a fresh namespace, whose one end is closed while a filter on the other
 * end discards everything, so that the FIN is never acknowledged. The calling thread is back in its namespace when this
 * returns. @throws KernelError EPERM without CAP_SYS_ADMIN; NamespaceReturnError when the way back fails
 */
export function makeOwnOrphan(libc: Libc): OwnOrphan {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    check(libc, 'making a network namespace', libc.unshare(CLONE_NEWNET));
    try {
      return orphanHere(libc);
    } finally {
      if (libc.setns(home, CLONE_NEWNET) < 0) {
        // biome-ignore lint/correctness/noUnsafeFinally: being in the wrong namespace outweighs any other outcome
        throw new NamespaceReturnError('returning from the network namespace of a trial failed');
      }
    }
  } finally {
    closeSync(home);
  }
}

function orphanHere(libc: Libc): OwnOrphan {
  loopbackUp(libc);
  const opened: number[] = [];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  try {
    const listener = keep(openSocket(libc));
    const at = addressOf('127.0.0.1', 0);
    check(libc, 'binding', libc.bind(listener, at, at.length));
    check(libc, 'listening', libc.listen(listener, 1));
    const to = ownAddress(libc, listener);
    const client = keep(openSocket(libc));
    check(libc, 'connecting', libc.connect(client, to, to.length));
    const server = keep(check(libc, 'accepting', libc.accept4(listener, null, null, CLOEXEC)));
    discardEverything(libc, server);
    const identity = identityOf(libc, client, to);
    const diag = openNetlink(libc, NetlinkProtocol.SOCK_DIAG);
    libc.close(client);
    libc.close(listener);
    return { identity, diag, release: () => release(libc, server, diag) };
  } catch (error) {
    for (const fd of opened) libc.close(fd);
    throw error;
  }
}

function release(libc: Libc, server: number, diag: NetlinkTransport): void {
  const none = new Uint8Array(4);
  libc.setsockopt(server, SOL_SOCKET, SocketOption.DETACH_FILTER, none, none.length);
  // struct linger { on, seconds }: closing then sends a reset, which ends an orphan that no timer would end.
  const linger = new Uint8Array(new Int32Array([1, 0]).buffer);
  libc.setsockopt(server, SOL_SOCKET, SocketOption.LINGER, linger, linger.length);
  libc.close(server);
  diag.close();
}

/** A fresh namespace has its loopback down. */
function loopbackUp(libc: Libc): void {
  const RTM_NEWLINK = 16;
  const IFF_UP = 1;
  // struct ifinfomsg: family, pad, type, index, flags, change. The loopback is always the first interface.
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setInt32(4, 1, LITTLE_ENDIAN);
  view.setUint32(8, IFF_UP, LITTLE_ENDIAN);
  view.setUint32(12, IFF_UP, LITTLE_ENDIAN);
  const route = openNetlink(libc, NetlinkProtocol.ROUTE);
  try {
    // Done when the call returns; a refusal would show at the connection.
    route.send(encodeMessage(RTM_NEWLINK, NlmFlag.REQUEST, 1, body));
  } finally {
    route.close();
  }
}

function openSocket(libc: Libc): number {
  const fd = check(libc, 'opening a socket', libc.socket(AF_INET, SOCK_STREAM_CLOEXEC, 0));
  // struct timeval with 64-bit fields: connect and accept must not wait for ever.
  const limit = new Uint8Array(new BigInt64Array([BigInt(LIMIT_SECONDS), 0n]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SocketOption.SNDTIMEO, limit, limit.length);
  libc.setsockopt(fd, SOL_SOCKET, SocketOption.RCVTIMEO, limit, limit.length);
  return fd;
}

/** A classic BPF program of one instruction, "return 0": the socket accepts no packet any more. */
function discardEverything(libc: Libc, fd: number): void {
  // struct sock_filter { u16 code, u8 jt, u8 jf, u32 k }, code BPF_RET | BPF_K.
  const program = new BigUint64Array(1);
  new DataView(program.buffer).setUint16(0, 0x06, LITTLE_ENDIAN);
  // struct sock_fprog { u16 length, pointer }
  const filter = new Uint8Array(16);
  const view = new DataView(filter.buffer);
  view.setUint16(0, 1, LITTLE_ENDIAN);
  view.setBigUint64(8, libc.addressOf(program), LITTLE_ENDIAN);
  check(libc, 'attaching a filter', libc.setsockopt(fd, SOL_SOCKET, SocketOption.ATTACH_FILTER, filter, 16));
}

function identityOf(libc: Libc, client: number, to: Uint8Array): SocketIdentity {
  const cookie = readCookie(libc, client);
  if (cookie === undefined) throw new KernelError('reading the cookie of an own socket', libc.errno());
  return {
    family: 4,
    state: TcpState.FIN_WAIT1,
    local: { address: '127.0.0.1', port: portOf(ownAddress(libc, client)) },
    remote: { address: '127.0.0.1', port: portOf(to) },
    cookie,
    interfaceIndex: 0,
  };
}

/** struct sockaddr_in: family, port and address in network order, 8 bytes of nothing. */
function addressOf(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, LITTLE_ENDIAN);
  view.setUint16(2, port);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

function portOf(address: Uint8Array): number {
  return new DataView(address.buffer).getUint16(2);
}

function ownAddress(libc: Libc, fd: number): Uint8Array {
  const address = new Uint8Array(16);
  const length = new Uint8Array(new Uint32Array([address.length]).buffer);
  check(libc, 'reading the address of an own socket', libc.getsockname(fd, address, length));
  return address;
}

function check(libc: Libc, operation: string, result: number): number {
  if (result < 0) throw new KernelError(operation, libc.errno());
  return result;
}
