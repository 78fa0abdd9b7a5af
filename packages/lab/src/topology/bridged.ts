import { ip, type Lab } from '../lab.ts';
import { nodad } from './pair.ts';
import { reach } from './reach.ts';
import type { World } from './world.ts';

const ADDRESSES = { 4: ['10.77.3.1', '10.77.3.2', '/24'], 6: ['fd77:3::1', 'fd77:3::2', '/64'] } as const;

/** Seconds-long defaults in which a neighbour is given up, shortened so that the lab need not wait for them. */
const IMPATIENT_NEIGHBOUR = {
  base_reachable_time_ms: 500,
  delay_first_probe_time: 1,
  retrans_time_ms: 100,
  ucast_solicit: 1,
  mcast_solicit: 2,
};

/** Client and server on one switch: the server's host can vanish while the client's own link keeps its carrier. */
export async function bridged(lab: Lab, family: 4 | 6): Promise<World> {
  const [client, bridge, server] = await Promise.all([
    lab.namespace('lab-client'),
    lab.namespace('lab-bridge'),
    lab.namespace('lab-server'),
  ]);
  const [clientAddress, serverAddress, prefix] = ADDRESSES[family];
  await ip(bridge, [
    'link add switch type bridge stp_state 0 forward_delay 0',
    `link add to-client type veth peer name lab0 netns ${client.pid}`,
    `link add to-server type veth peer name lab0 netns ${server.pid}`,
    'link set to-client master switch up',
    'link set to-server master switch up',
    'link set switch up',
  ]);
  const join = (address: string) => [`address add ${address}${prefix} dev lab0${nodad(family)}`, 'link set lab0 up'];
  await Promise.all([ip(client, join(clientAddress)), ip(server, join(serverAddress))]);
  await client.call('setSysctl', {
    values: Object.fromEntries(
      Object.entries(IMPATIENT_NEIGHBOUR).map(([name, value]) => [`ipv${family}/neigh/lab0/${name}`, value]),
    ),
  });
  return reach({
    family,
    client,
    server,
    clientAddress,
    serverAddress,
    removePeerHost: async () => {
      await ip(bridge, ['link set to-server down']);
      await ip(client, ['neighbour flush dev lab0']);
    },
    restore: () => ip(bridge, ['link set to-server up']),
  });
}
