import type { Actor } from '../actor-process.ts';
import { ip, type Lab } from '../lab.ts';
import { nodad } from './pair.ts';
import { reach } from './reach.ts';
import type { World } from './world.ts';

const ADDRESSES = {
  4: {
    client: '10.77.1.2',
    clientGateway: '10.77.1.1',
    server: '10.77.2.2',
    serverGateway: '10.77.2.1',
    prefix: 24,
    host: 32,
  },
  6: {
    client: 'fd77:1::2',
    clientGateway: 'fd77:1::1',
    server: 'fd77:2::2',
    serverGateway: 'fd77:2::1',
    prefix: 64,
    host: 128,
  },
} as const;

const FORWARDING = {
  4: { 'ipv4/conf/all/rp_filter': 0, 'ipv4/conf/default/rp_filter': 0, 'ipv4/ip_forward': 1 },
  6: { 'ipv6/conf/all/forwarding': 1 },
} as const;

/** Client, router, server. The router can lose packets while every link stays up and every next hop answers. */
export async function routed(lab: Lab, family: 4 | 6): Promise<World> {
  const [client, router, server] = await Promise.all([
    lab.namespace('lab-client'),
    lab.namespace('lab-router'),
    lab.namespace('lab-server'),
  ]);
  const addresses = ADDRESSES[family];
  await router.call('setSysctl', { values: FORWARDING[family] });
  await ip(router, [
    `link add to-client type veth peer name lab0 netns ${client.pid}`,
    `link add to-server type veth peer name lab0 netns ${server.pid}`,
    `address add ${addresses.clientGateway}/${addresses.prefix} dev to-client${nodad(family)}`,
    `address add ${addresses.serverGateway}/${addresses.prefix} dev to-server${nodad(family)}`,
    'link set to-client up',
    'link set to-server up',
  ]);
  await Promise.all([
    joinRouter(client, addresses.client, addresses.clientGateway, family),
    joinRouter(server, addresses.server, addresses.serverGateway, family),
  ]);
  return reach({
    family,
    client,
    server,
    clientAddress: addresses.client,
    serverAddress: addresses.server,
    ...faults(router, family),
  });
}

function joinRouter(host: Actor, address: string, gateway: string, family: 4 | 6): Promise<void> {
  return ip(host, [
    `address add ${address}/${ADDRESSES[family].prefix} dev lab0${nodad(family)}`,
    'link set lab0 up',
    `route add default via ${gateway}`,
  ]);
}

function faults(router: Actor, family: 4 | 6): Pick<World, 'cut' | 'cutService' | 'restore'> {
  const { client, server, host } = ADDRESSES[family];
  let applied: readonly string[] = [];
  // Only what differs is changed: a direction that is to stay cut must not open for a moment.
  const apply = async (wanted: readonly string[]) => {
    const added = wanted.filter((fault) => !applied.includes(fault)).map((fault) => fault.replace(' ', ' add '));
    const removed = applied.filter((fault) => !wanted.includes(fault)).map((fault) => fault.replace(' ', ' del '));
    applied = wanted;
    if (added.length + removed.length > 0) await ip(router, [...added, ...removed], family);
  };
  const toServer = `route blackhole ${server}/${host}`;
  const toClient = `route blackhole ${client}/${host}`;
  const routes = { 'to-server': [toServer], 'to-client': [toClient], both: [toServer, toClient] } as const;
  return {
    restore: () => apply([]),
    cut: (direction) => apply(routes[direction]),
    // As a firewall that has forgotten the connection does: other services of the same host still work.
    cutService: (port) =>
      apply([`rule ipproto tcp dport ${port} blackhole`, `rule ipproto tcp sport ${port} blackhole`]),
  };
}
