import { LabError } from '../error.ts';
import type { World } from './world.ts';

const WARM_UP_PORT = 9;
const ATTEMPT_MS = 60;
const ATTEMPTS = 80;
const ACCEPT_MS = 10_000;

/**
 * Waits until the two ends reach each other. Right after a link came up the first packets may wait a second for address
 * resolution; a connection made then would believe in a round trip, and so in timeouts, of seconds.
 */
export async function reach(world: World): Promise<World> {
  const { client, server } = world;
  const at = { address: world.serverAddress, port: WARM_UP_PORT };
  const listener = await server.call('listen', { at, backlog: ATTEMPTS });
  const connected = await firstConnection(world);
  const accepted = await server.call('accept', { fd: listener.fd, limitMs: ACCEPT_MS });
  await client.call('abort', { fds: [connected] });
  await server.call('abort', { fds: [accepted.fd, listener.fd] });
  return world;
}

async function firstConnection({ client, serverAddress }: World): Promise<number> {
  const to = { address: serverAddress, port: WARM_UP_PORT };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return (await client.call('connect', { to, limitMs: ATTEMPT_MS })).fd;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'ETIMEDOUT' && code !== 'EHOSTUNREACH' && code !== 'EADDRNOTAVAIL') throw error;
    }
  }
  throw new LabError(`cannot build the lab: ${client.name} does not reach ${serverAddress}`);
}
