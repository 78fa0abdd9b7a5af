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

/** What a careful administrator's firewall lets through, in and out: known connections, and new ones to the service. */
const STRICT = `table inet t {
  chain i { type filter hook input priority 0; policy drop;
    ct state invalid drop; ct state established accept; iif lo ct state new drop; tcp dport 8080 accept;
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
  chain o { type filter hook output priority 0; ct state invalid drop; } }`;

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
    expect(await actor.run('nft', [STRICT.replaceAll('\n', ' ')])).toMatchObject({ code: 0 });
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

  it('resets both ends on the path although strict firewalls stand before them', { timeout: LIMIT_MS }, () =>
    withLab(async (lab, context) => {
      const world = await routed(lab, family);
      await beStrict([world.client, world.server]);
      const [first] = clientSide(world, await connections(world, 2));
      const router = lab.actors.find(({ name }) => name === 'lab-router') as Actor;
      const path = { a: first.local, b: first.remote, namespaceInode: router.netnsInode };
      const result = await resetPath(context.effects, path, { ...context, waitMs: 1_000 });
      console.log(JSON.stringify(result), (await ss(world.client)).size, (await ss(world.server)).size);
    }),
  );
});

/** Prints a line when its connections stand; ends with its input. */
const CONNECT = `
import socket, sys
def connect(address, device=None):
    end = socket.socket(socket.AF_INET6)
    if device: end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    end.connect(socket.getaddrinfo(*address)[0][4])
    return end
ends = [connect(('fe80::1%lab0', 8099)), connect(('fd77::2', 8099), b'lab0'), connect(('::ffff:10.77.9.2', 8099))]
open(sys.argv[1], 'w').write('done')
sys.stdin.read()
`;
