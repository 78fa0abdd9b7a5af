import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClearTarget, TcpState, targetOf } from '@lastack/core';
import { type Actor, ip, Lab, pair, routed } from '@lastack/lab';
import { describe, expect, it } from 'vitest';
import { clientSide, connections } from '../../lab/src/connection.ts';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { reset } from '../src/remedies/reset/mod.ts';
import { resetPath } from '../src/remedies/reset-path/mod.ts';
import { contextOf, diagOf, type TestContext, tableOf } from './clear_means/world.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const LIMIT_MS = 60_000;
const PROBED_IN_VAIN_MS = 2_000;

/** What a careful administrator's firewall lets in: known connections, and new ones to the service. */
const STRICT = `
table inet t {
  chain i {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state invalid drop
    ct state established accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    tcp dport 8080 ct state new accept
  }
}
`;
/** Nothing leaves that connection tracking finds out of order: that includes what is spoofed. */
const FORBIDDING = 'table inet u { chain o { type filter hook output priority 0; ct state invalid drop; }; }';

async function withLab(body: (lab: Lab, context: TestContext) => Promise<void>): Promise<void> {
  const lab = new Lab({ actorFile: await bundleActor() });
  const context = contextOf(lab.actors);
  try {
    await body(lab, context);
  } finally {
    context.close();
    await lab.close();
  }
}

async function openTargets(actor: Actor): Promise<ClearTarget[]> {
  const transport = diagOf(actor);
  try {
    const table = await tableOf(transport);
    const rows = Array.from({ length: table.count }, (_, row) => row);
    const open = rows.filter((row) => table.state(row) === TcpState.ESTABLISHED);
    return open.map((row) => targetOf({ inode: actor.netnsInode, label: actor.name, table }, row, []));
  } finally {
    transport.close();
  }
}

async function beStrict(actors: readonly Actor[]): Promise<void> {
  for (const actor of actors) {
    expect(await actor.run('nft', ['-f', '-'], STRICT)).toMatchObject({ code: 0 });
    await actor.call('setSysctl', { values: { 'ipv4/conf/all/rp_filter': 1 } });
  }
}

describe.skipIf(missingNamespaces()).each([4, 6] as const)('surroundings, IPv%i', (family) => {
  it('resets either end behind a strict firewall and reverse-path checks', { timeout: LIMIT_MS }, () =>
    withLab(async (lab, context) => {
      const world = await pair(lab, family);
      await beStrict([world.client, world.server]);
      await connections(world, 2);
      for (const actor of [world.client, world.server]) {
        const [target] = await openTargets(actor);
        expect(await reset.apply(context, [target])).toEqual([{ outcome: 'applied' }]);
        expect((await ss(actor)).size).toBe(1);
      }
    }),
  );

  it('says so where a firewall lets nothing spoofed out', { timeout: LIMIT_MS }, () =>
    withLab(async (lab, context) => {
      const { client, ...world } = await pair(lab, family);
      await beStrict([client]);
      expect(await client.run('nft', [FORBIDDING])).toMatchObject({ code: 0 });
      await connections({ client, ...world }, 1);
      const [attempt] = await reset.apply(context, await openTargets(client));
      expect(attempt).toMatchObject({ outcome: 'not-permitted', todo: expect.stringContaining('firewall') });
      expect((await ss(client)).size).toBe(1);
    }),
  );

  it('on the path, learns from live packets what firewalls before the ends hide', { timeout: LIMIT_MS }, () =>
    withLab(async (lab, context) => {
      const world = await routed(lab, family);
      await beStrict([world.client, world.server]);
      const all = await connections(world, 2);
      const [first] = clientSide(world, all);
      const router = lab.actors.find(({ name }) => name === 'lab-router') as Actor;
      const path = { a: first.local, b: first.remote, namespaceInode: router.netnsInode };
      const resetting = resetPath(context.effects, path, { ...context, waitMs: 10_000 });
      await sleep(PROBED_IN_VAIN_MS);
      // Whichever end was reset already cannot send.
      await world.server.call('send', { fd: all[0].serverFd, bytes: 1 }).catch(() => 0);
      await world.client.call('send', { fd: all[0].clientFd, bytes: 1 }).catch(() => 0);
      const { outcome, ends } = await resetting;
      expect(outcome).toBe('cleared');
      // The reset of the first end's own host may end the other before that has said anything.
      expect(ends.map(({ state }) => state)).not.toContain('still-there');
      expect([(await ss(world.client)).size, (await ss(world.server)).size]).toEqual([1, 1]);
    }),
  );
});

it.skipIf(missingNamespaces())(
  'resets sockets that are bound to an interface or have link-local addresses',
  { timeout: LIMIT_MS },
  () =>
    withLab(async (lab, context) => {
      const { client, server } = await pair(lab, 6);
      for (const [actor, last] of [
        [client, 1],
        [server, 2],
      ] as const) {
        await ip(actor, [`address add fe80::${last}/64 dev lab0 nodad`, `address add 10.77.9.${last}/24 dev lab0`]);
      }
      await server.call('listen', { at: { address: '::', port: 8_099 }, backlog: 9 });
      const [program, ...args] = client.enter(['python3', '-c', CONNECT]);
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const gone = once(child, 'exit');
      try {
        await once(child.stdout, 'data');
        const targets = await openTargets(client);
        expect(targets.map(({ local }) => local.address).sort()).toEqual(['::ffff:10.77.9.1', 'fd77::1', 'fe80::1']);
        expect(targets.filter(({ interfaceIndex }) => interfaceIndex > 0)).toHaveLength(2);
        expect(await reset.apply(context, targets)).toEqual(targets.map(() => ({ outcome: 'applied' })));
        expect((await ss(client)).size).toBe(0);
      } finally {
        child.stdin.end();
        await gone;
      }
    }),
);

/** Prints a word when its connections stand; ends with its input. */
const CONNECT = `
import socket, sys
def connect(host, device=None):
    end = socket.socket(socket.AF_INET6)
    if device: end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    end.connect(socket.getaddrinfo(host, 8099, socket.AF_INET6, socket.SOCK_STREAM)[0][4])
    return end
ends = [connect('fe80::2%lab0'), connect('fd77::2', b'lab0'), connect('::ffff:10.77.9.2')]
print('connected', flush=True)
sys.stdin.read()
`;
