import type { Lab } from '../lab.ts';
import type { World } from './world.ts';

/** Client and server as two processes of one host. */
export async function loopback(lab: Lab, family: 4 | 6): Promise<World> {
  const server = await lab.namespace('lab-server');
  const client = await lab.companion('lab-client', server);
  const address = family === 4 ? '127.0.0.1' : '::1';
  return { family, client, server, clientAddress: address, serverAddress: address };
}
