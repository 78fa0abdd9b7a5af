import { setTimeout as sleep } from 'node:timers/promises';
import { TcpState } from '@lastack/core';
import type { Actor } from '../actor-process.ts';
import { clientSide, connections, finish, SERVICE_PORT, serverSide } from '../connection.ts';
import { LabError } from '../error.ts';
import type { Lab } from '../lab.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { routed } from '../topology/routed.ts';
import type { World } from '../topology/world.ts';
import { allSettled, type Ending, HOW, inState, nameSuffix, retransmitting } from './common.ts';

/** What most firewalls have in some form: known connections pass, new ones by SYN only, the rest is dropped. */
const SYN_FIRST = `
table inet lab {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct state invalid drop
    meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn ct state new drop
  }
}
`;

const FORGET_SECONDS = 1;
/** After this an entry of FORGET_SECONDS has certainly run out. */
const FORGOTTEN_MS = 2_500;
const HALF_CLOSE_SECONDS = 6;
/** More than half of HALF_CLOSE_SECONDS. */
const HALF_FORGOTTEN_MS = 4_000;

interface GuardedWorld {
  world: World;
  router: Actor;
}

/** Client, firewall, server. */
async function guarded(lab: Lab, family: 4 | 6): Promise<GuardedWorld> {
  const world = await routed(lab, family);
  const router = lab.actors.find(({ name }) => name === 'lab-router');
  if (!router) throw new LabError('cannot build the lab: there is no router');
  await nft(router, SYN_FIRST);
  return { world, router };
}

/** A connection of the same service that is in use all the time: the firewall remembers it. */
async function bystander({ server, client, serverAddress }: World): Promise<void> {
  const to = { address: serverAddress, port: SERVICE_PORT };
  await server.call('serve', { at: to, replyAfterMs: 0 });
  await client.call('churn', { to, perSecond: 0, halfClosePerSecond: 0, keepOpen: 1 });
}

async function nft(router: Actor, rules: string): Promise<void> {
  const result = await router.run('nft', [rules]).catch((error: { code?: string }) => {
    if (error.code === 'ENOENT')
      throw new LabError('cannot build the lab: the program `nft` is missing; install nftables');
    throw error;
  });
  if (result.code !== 0) throw new LabError(`cannot build the lab: nft failed: ${result.stderr.trim().split('\n')[0]}`);
}

function missing(ending: Ending): Scenario {
  return {
    name: `conntrack-missing${nameSuffix(ending)}`,
    title: 'the firewall on the way has forgotten an idle connection, and drops its FIN',
    expects: { rule: 'conntrack-missing', blame: ['path'], state: 'FIN_WAIT1', forecastKind: 'at' },
    families: BOTH_FAMILIES,
    run: async (lab, { family, count = 6 }) => {
      const { world, router } = await guarded(lab, family);
      const established = 'netfilter/nf_conntrack_tcp_timeout_established';
      const usual = await router.call('getSysctl', { name: established });
      await router.call('setSysctl', { values: { [established]: FORGET_SECONDS } });
      const all = await connections(world, count);
      await sleep(FORGOTTEN_MS);
      await router.call('setSysctl', { values: { [established]: usual } });
      await bystander(world);
      const sockets = clientSide(world, all);
      const clientFds = all.map(({ clientFd }) => clientFd);
      await finish(world.client, clientFds, HOW[ending]);
      await allSettled(world.client, family, sockets, 'FIN retransmitted', retransmitting(TcpState.FIN_WAIT1));
      return {
        observeIn: world.client,
        scope: 'all',
        sockets,
        settleMs: 0,
        unfreeze: () => nft(router, 'flush chain inet lab forward'),
      };
    },
  };
}

const expiresFirst: Scenario = {
  name: 'conntrack-expires-first',
  title: 'a half-close lasts longer than the firewall on the way remembers it',
  expects: { rule: 'conntrack-expires-first', blame: ['kernel-setting'], state: 'CLOSE_WAIT', forecastKind: 'never' },
  alongside: ['close-wait-close-forgotten'],
  families: BOTH_FAMILIES,
  run: async (lab, { family, count = 5 }) => {
    const { world, router } = await guarded(lab, family);
    const closeWait = 'netfilter/nf_conntrack_tcp_timeout_close_wait';
    await router.call('setSysctl', { values: { [closeWait]: HALF_CLOSE_SECONDS } });
    const all = await connections(world, count);
    await bystander(world);
    const clientFds = all.map(({ clientFd }) => clientFd);
    await finish(world.client, clientFds, 'shutdown');
    const sockets = serverSide(world, all);
    await allSettled(world.server, family, sockets, 'CLOSE_WAIT', inState(TcpState.CLOSE_WAIT));
    for (const { serverFd } of all) await world.server.call('receive', { fd: serverFd, bytes: 16, limitMs: 1_000 });
    return { observeIn: world.server, scope: 'all', sockets, settleMs: HALF_FORGOTTEN_MS };
  },
};

/** The same firewall, and traffic that it is right about. */
const healthy: Scenario = {
  name: 'conntrack-healthy',
  title: 'busy traffic through a firewall that tracks it, on which nothing is wrong',
  expects: { rule: undefined, blame: [], state: undefined, forecastKind: undefined },
  families: BOTH_FAMILIES,
  run: async (lab, { family }) => {
    const { world } = await guarded(lab, family);
    await bystander(world);
    const to = { address: world.serverAddress, port: SERVICE_PORT + 1 };
    await world.server.call('serve', { at: to, replyAfterMs: 100 });
    await world.client.call('churn', { to, perSecond: 50, halfClosePerSecond: 20, keepOpen: 10 });
    return { observeIn: world.client, scope: 'all', sockets: [], settleMs: 3_000 };
  },
};

export const conntrack: readonly Scenario[] = [missing('owned'), missing('orphan'), expiresFirst, healthy];
