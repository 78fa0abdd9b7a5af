import { setImmediate as yieldToInput } from 'node:timers/promises';
import type { BulkRequest } from '../protocol.ts';
import { domainOf, socketAddress } from './address.ts';
import {
  check,
  lastErrno,
  libc,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SystemError,
} from './libc.ts';
import { setOption } from './sockets.ts';

/** Connections made between two looks at the input: the process must notice quickly that the lab has gone. */
const SLICE = 200;
const ACCEPT_LIMIT_SECONDS = 5;

function openListener(at: BulkRequest['to']): number {
  const fd = check('socket', libc.socket(domainOf(at.address), SOCK_STREAM | SOCK_CLOEXEC, 0));
  setOption(fd, 'SO_REUSEADDR', 1);
  const bytes = socketAddress(at);
  check('bind', libc.bind(fd, bytes, bytes.length));
  // A connection that never completes must not block this process for ever.
  const limit = Buffer.alloc(16);
  limit.writeBigInt64LE(BigInt(ACCEPT_LIMIT_SECONDS));
  check('setsockopt SO_RCVTIMEO', libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, 16));
  check('listen', libc.listen(fd, 1024));
  return fd;
}

/** Source endpoints one after the other: explicit ones, because the automatic search slows down as ports fill up. */
function* sourcesOf({ sources, firstPort, lastPort }: BulkRequest): Generator<Buffer> {
  for (const address of sources)
    for (let port = firstPort; port <= lastPort; port++) yield socketAddress({ address, port });
}

function openPair(listener: number, from: Buffer, to: Buffer, domain: number): [client: number, server: number] {
  const client = check('socket', libc.socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  check('bind', libc.bind(client, from, from.length));
  // Over loopback the handshake is complete by the time connect returns; accept waits for it all the same.
  if (libc.connect(client, to, to.length) < 0 && lastErrno() !== 'EINPROGRESS')
    throw new SystemError('connect', lastErrno());
  return [client, check('accept', libc.accept4(listener, null, null, SOCK_CLOEXEC))];
}

async function eachPair(request: BulkRequest, action: (client: number, server: number) => void): Promise<number> {
  const listener = openListener(request.to);
  const to = socketAddress(request.to);
  const domain = domainOf(request.to.address);
  let made = 0;
  for (const from of sourcesOf(request)) {
    if (made >= request.count) break;
    action(...openPair(listener, from, to, domain));
    if (++made % SLICE === 0) await yieldToInput();
  }
  libc.close(listener);
  return made;
}

/** The client closes first, then the server: the client's end stays behind in TIME_WAIT. */
export function bulkTimeWait(request: BulkRequest): Promise<number> {
  return eachPair(request, (client, server) => {
    libc.close(client);
    libc.close(server);
  });
}

/** The client stops sending and both ends keep their descriptor: FIN_WAIT2 here, CLOSE_WAIT there. */
export function bulkHalfClosed(request: BulkRequest): Promise<number> {
  return eachPair(request, (client) => {
    check('shutdown', libc.shutdown(client, 1));
  });
}
