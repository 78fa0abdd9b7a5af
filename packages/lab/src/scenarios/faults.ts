import type { Blame } from '@lastack/core';
import { SERVICE_PORT } from '../connection.ts';
import type { Lab } from '../lab.ts';
import { bridged } from '../topology/bridged.ts';
import { routed } from '../topology/routed.ts';
import type { World } from '../topology/world.ts';

/**
 * How the way to the server breaks, as the client can see it:
 * - `silence`: everything behind the router is gone; from here the path and the peer's host look alike
 * - `path`: one service is dropped on the way, while another connection to the same address keeps exchanging data
 * - `peer-host`: the peer's host has left the link it shares with the client
 */
export type Fault = 'silence' | 'path' | 'peer-host';

export const BLAME_OF: Readonly<Record<Fault, readonly Blame[]>> = {
  silence: ['peer-host or path', 'path'],
  path: ['path'],
  'peer-host': ['peer-host'],
};

export const WORDS_OF: Readonly<Record<Fault, string>> = {
  silence: 'no packet comes back from behind the router',
  path: 'only this service is dropped on the way',
  'peer-host': "the peer's host has vanished from the link",
};

const BYSTANDER_PORT = 8081;

/** The world in which this fault can happen, still whole. */
export async function worldFor(lab: Lab, family: 4 | 6, fault: Fault): Promise<World> {
  if (fault === 'peer-host') return bridged(lab, family);
  const world = await routed(lab, family);
  if (fault === 'path') {
    const to = { address: world.serverAddress, port: BYSTANDER_PORT };
    await world.server.call('serve', { at: to, replyAfterMs: 0 });
    await world.client.call('churn', { to, perSecond: 0, halfClosePerSecond: 0, keepOpen: 1 });
  }
  return world;
}

export async function breakWay(world: World, fault: Fault): Promise<void> {
  if (fault === 'silence') await world.cut?.('both');
  else if (fault === 'path') await world.cutService?.(SERVICE_PORT);
  else await world.removePeerHost?.();
}
