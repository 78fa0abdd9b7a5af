import type { SocketOptionValues } from './protocol.ts';
import type { AddressPair } from './scenario.ts';
import type { World } from './topology/world.ts';

export const SERVICE_PORT = 8080;
const LIMIT_MS = 20_000;

/** One established connection: its descriptor in the client actor, in the server actor, and its ports. */
export interface Connection {
  clientFd: number;
  serverFd: number;
  clientPort: number;
  servicePort: number;
}

export interface ConnectOptions {
  servicePort?: number;
  client?: SocketOptionValues;
  server?: SocketOptionValues;
}

/** Opens `count` connections, each used once in either direction, and stops listening again. */
export async function connections(world: World, count: number, options: ConnectOptions = {}): Promise<Connection[]> {
  const servicePort = options.servicePort ?? SERVICE_PORT;
  const at = { address: world.serverAddress, port: servicePort };
  const listener = await world.server.call('listen', { at, backlog: 1024, options: options.server ?? {} });
  const opened = await world.client.call('connectMany', {
    to: at,
    count,
    limitMs: LIMIT_MS,
    options: options.client ?? {},
  });
  const accepted = await world.server.call('acceptMany', { fd: listener.fd, count, limitMs: LIMIT_MS });
  await world.server.call('close', { fds: [listener.fd] });
  const serverFdOf = new Map(accepted.ports.map((port, index) => [port, accepted.fds[index] as number]));
  const all = opened.ports.map((clientPort, index) => ({
    clientFd: opened.fds[index] as number,
    serverFd: serverFdOf.get(clientPort) as number,
    clientPort,
    servicePort,
  }));
  for (const connection of all) await greet(world, connection);
  return all;
}

/** A byte each way, as in any real protocol: both ends then have a measured round trip. */
async function greet({ client, server }: World, { clientFd, serverFd }: Connection): Promise<void> {
  await client.call('send', { fd: clientFd, bytes: 1 });
  await server.call('receive', { fd: serverFd, bytes: 16, limitMs: LIMIT_MS });
  await server.call('send', { fd: serverFd, bytes: 1 });
  await client.call('receive', { fd: clientFd, bytes: 16, limitMs: LIMIT_MS });
}

/** The address pairs as the client sees them. */
export function clientSide(world: World, all: readonly Connection[]): AddressPair[] {
  return all.map(({ clientPort, servicePort }) => ({
    local: { address: world.clientAddress, port: clientPort },
    remote: { address: world.serverAddress, port: servicePort },
  }));
}

/** The address pairs as the server sees them. */
export function serverSide(world: World, all: readonly Connection[]): AddressPair[] {
  return clientSide(world, all).map(({ local, remote }) => ({ local: remote, remote: local }));
}

/** Stops sending on each: `close` gives the descriptor up (the kernel's orphan), `shutdown` keeps it. */
export async function finish(actor: World['client'], fds: readonly number[], how: 'close' | 'shutdown'): Promise<void> {
  if (how === 'close') await actor.call('close', { fds: [...fds] });
  else for (const fd of fds) await actor.call('shutdown', { fd, how: 'write' });
}
