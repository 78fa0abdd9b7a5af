import { ip, type Lab } from '../lab.ts';
import { reach } from './reach.ts';
import type { World } from './world.ts';

const ADDRESSES = { 4: ['10.77.0.1', '10.77.0.2', '/24'], 6: ['fd77::1', 'fd77::2', '/64'] } as const;

/** Client and server joined by one virtual cable. */
export async function pair(lab: Lab, family: 4 | 6): Promise<World> {
  const [client, server] = await Promise.all([lab.namespace('lab-client'), lab.namespace('lab-server')]);
  const [clientAddress, serverAddress, prefix] = ADDRESSES[family];
  await ip(client, [
    `link add lab0 type veth peer name lab0 netns ${server.pid}`,
    `address add ${clientAddress}${prefix} dev lab0${nodad(family)}`,
    'link set lab0 up',
  ]);
  await ip(server, [`address add ${serverAddress}${prefix} dev lab0${nodad(family)}`, 'link set lab0 up']);
  return reach({ family, client, server, clientAddress, serverAddress });
}

/** Without duplicate address detection an IPv6 address can be used at once. */
export function nodad(family: 4 | 6): string {
  return family === 6 ? ' nodad' : '';
}
