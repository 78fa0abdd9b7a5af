import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint, SocketOptionName, SocketOptionValues } from '../protocol.ts';
import { SocketOption } from '../protocol.ts';
import { domainOf, endpointOf, socketAddress } from './address.ts';
import {
  check,
  errnoName,
  lastErrno,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLIN,
  POLLOUT,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SystemError,
} from './libc.ts';

const POLL_EVERY_MS = 4;
const payload = Buffer.alloc(65_536, 'x');

/** Waits until `poll` reports one of the events, without ever blocking the process: end of input must end it. */
async function ready(fd: number, events: number, limitMs: number): Promise<boolean> {
  const request = Buffer.alloc(8);
  const until = Date.now() + limitMs;
  for (;;) {
    request.writeInt32LE(fd, 0);
    request.writeInt16LE(events, 4);
    if (check('poll', libc.poll(request, 1, 0)) > 0) return true;
    if (Date.now() >= until) return false;
    await sleep(POLL_EVERY_MS);
  }
}

export function setOption(fd: number, name: SocketOptionName, value: number): void {
  const [level, number] = SocketOption[name];
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(`setsockopt ${name}`, libc.setsockopt(fd, level, number, bytes, 4));
}

function readOption(fd: number, level: number, number: number): number {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeInt32LE(4);
  check('getsockopt', libc.getsockopt(fd, level, number, value, length));
  return value.readInt32LE();
}

export function getOption(fd: number, name: SocketOptionName): number {
  const [level, number] = SocketOption[name];
  return readOption(fd, level, number);
}

export function pendingError(fd: number): number {
  return readOption(fd, SOL_SOCKET, SO_ERROR);
}

function open(address: string, options: SocketOptionValues = {}): number {
  const fd = check('socket', libc.socket(domainOf(address), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  for (const [name, value] of Object.entries(options)) setOption(fd, name as SocketOptionName, value);
  return fd;
}

function bind(fd: number, at: Endpoint): void {
  const bytes = socketAddress(at);
  check('bind', libc.bind(fd, bytes, bytes.length));
}

function localPort(fd: number): number {
  const bytes = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeInt32LE(28);
  check('getsockname', libc.getsockname(fd, bytes, length));
  return endpointOf(bytes).port;
}

export function close(fd: number): void {
  check('close', libc.close(fd));
}

export function listen(at: Endpoint, backlog: number, options?: SocketOptionValues): { fd: number; port: number } {
  const fd = open(at.address, { SO_REUSEADDR: 1, ...options });
  bind(fd, at);
  check('listen', libc.listen(fd, backlog));
  return { fd, port: localPort(fd) };
}

export function bindOnly(at: Endpoint, options?: SocketOptionValues): { fd: number; port: number } {
  const fd = open(at.address, options);
  bind(fd, at);
  return { fd, port: localPort(fd) };
}

/** A connection attempt under way: gives at once. */
function startConnect(to: Endpoint, from: Endpoint | undefined, options: SocketOptionValues | undefined) {
  const fd = open(to.address, options);
  if (from) bind(fd, from);
  const bytes = socketAddress(to);
  const result = libc.connect(fd, bytes, bytes.length);
  if (result < 0 && lastErrno() !== 'EINPROGRESS') {
    const code = lastErrno();
    close(fd);
    throw new SystemError('connect', code);
  }
  return { fd, port: localPort(fd) };
}

async function finishConnect(fd: number, limitMs: number): Promise<void> {
  if (!(await ready(fd, POLLOUT, limitMs))) throw new SystemError('connect', 'ETIMEDOUT');
  const error = pendingError(fd);
  if (error !== 0) throw new SystemError('connect', errnoName(error));
}

export async function connect(
  to: Endpoint,
  from: Endpoint | undefined,
  limitMs: number,
  options?: SocketOptionValues,
): Promise<{ fd: number; port: number }> {
  const connection = startConnect(to, from, options);
  try {
    if (limitMs > 0) await finishConnect(connection.fd, limitMs);
  } catch (error) {
    close(connection.fd);
    throw error;
  }
  return connection;
}

export async function connectMany(to: Endpoint, count: number, limitMs: number, options?: SocketOptionValues) {
  const all = [];
  for (let index = 0; index < count; index++) {
    all.push(startConnect(to, undefined, options));
    if (index % 64 === 63) await sleep(0);
  }
  if (limitMs > 0) for (const { fd } of all) await finishConnect(fd, limitMs);
  return { fds: all.map(({ fd }) => fd), ports: all.map(({ port }) => port) };
}

export async function accept(listener: number, limitMs: number): Promise<{ fd: number; remote: Endpoint }> {
  if (!(await ready(listener, POLLIN, limitMs))) throw new SystemError('accept', 'EAGAIN');
  const bytes = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeInt32LE(28);
  const fd = check('accept', libc.accept4(listener, bytes, length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return { fd, remote: endpointOf(bytes) };
}

export async function acceptMany(listener: number, count: number, limitMs: number) {
  const all = [];
  for (let index = 0; index < count; index++) all.push(await accept(listener, limitMs));
  return { fds: all.map(({ fd }) => fd), ports: all.map(({ remote }) => remote.port) };
}

export function send(fd: number, bytes: number): number {
  const sent = Number(libc.send(fd, payload, Math.min(bytes, payload.length), MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent < 0 && lastErrno() === 'EAGAIN') return 0;
  return check('send', sent);
}

export async function fill(fd: number, quietMs: number): Promise<number> {
  let total = 0;
  let quietSince = Date.now();
  while (Date.now() - quietSince < quietMs) {
    const sent = send(fd, payload.length);
    total += sent;
    if (sent > 0) quietSince = Date.now();
    else await sleep(POLL_EVERY_MS);
  }
  return total;
}

export async function receive(fd: number, bytes: number, limitMs: number): Promise<number> {
  if (!(await ready(fd, POLLIN, limitMs))) throw new SystemError('recv', 'EAGAIN');
  const target = Buffer.alloc(bytes);
  return check('recv', Number(libc.recv(fd, target, bytes, MSG_DONTWAIT)));
}

/** Ends the connection with a reset: nothing of it stays behind on either side. */
export function abort(fd: number): void {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  check('setsockopt SO_LINGER', libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, 8));
  close(fd);
}

const HOW = { read: 0, write: 1, both: 2 } as const;

export function shutdown(fd: number, how: keyof typeof HOW): void {
  check('shutdown', libc.shutdown(fd, HOW[how]));
}
