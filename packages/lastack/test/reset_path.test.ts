import type { EndpointAddress } from '@lastack/core';
import { type Actor, type AddressPair, ip, Lab, routed } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Connection, clientSide, connections } from '../../lab/src/connection.ts';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { type PathReset, resetPath } from '../src/remedies/reset-path/mod.ts';
import { contextOf } from './clear_means/world.ts';
import { eventually } from './support/eventually.ts';
import { Pool } from './support/pool.ts';
import { missingNamespaces } from './support/privileged.ts';
import { pairKey } from './support/same_socket.ts';
import { type SniffedPacket, sniffed } from './support/sniffer.ts';
import { ss } from './support/ss.ts';

const LIMIT_MS = 60_000;
const SIDE_BY_SIDE = 4;
const ECONNRESET = 104;
const EPIPE = 32;
const ECONNREFUSED = 111;

const because = missingNamespaces();
const pool = new Pool(SIDE_BY_SIDE);
let actorFile = '';
beforeAll(async () => {
  if (!because) actorFile = await bundleActor();
});

interface Scene {
  client: Actor;
  router: Actor;
  server: Actor;
  world: Awaited<ReturnType<typeof routed>>;
  /** As the client sees them: the first is reset, the second is a bystander. */
  pairs: readonly AddressPair[];
  connections: readonly Connection[];
  /** Resets the first pair, in the router's namespace unless another is given. */
  resetFirst(where?: Actor, waitMs?: number): Promise<PathReset>;
}

function withScene(family: 4 | 6, body: (scene: Scene) => Promise<void>): Promise<void> {
  return pool.run(async () => {
    const lab = new Lab({ actorFile });
    const context = contextOf(lab.actors);
    try {
      const world = await routed(lab, family);
      const router = lab.actors.find(({ name }) => name === 'lab-router') as Actor;
      const opened = await connections(world, 2);
      const pairs = clientSide(world, opened);
      const resetFirst = (where = router, waitMs = 1_500) => resetOn(where, pairs[0].local, pairs[0].remote, waitMs);
      await body({ client: world.client, router, server: world.server, world, pairs, connections: opened, resetFirst });
    } finally {
      context.close();
      await lab.close();
    }
  });
}

function resetOn({ netnsInode }: Actor, a: EndpointAddress, b: EndpointAddress, waitMs: number): Promise<PathReset> {
  const { effects, journal, signal } = contextOf([]);
  return resetPath(effects, { a, b, namespaceInode: netnsInode }, { journal, signal, waitMs });
}

/** States of the two connections at one end. */
async function states(actor: Actor, pairs: readonly AddressPair[]): Promise<(string | undefined)[]> {
  const lines = await ss(actor);
  return pairs.map((pair) => lines.get(pairKey(pair))?.state);
}
const mirrored = ({ local, remote }: AddressPair): AddressPair => ({ local: remote, remote: local });

const stateOf = ({ ends }: PathReset) => ends.map(({ state }) => state);

describe.skipIf(because)('reset-path on a router', () => {
  describe.concurrent.each([4, 6] as const)('IPv%i', (family) => {
    it('resets both ends of an idle connection, and no other', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, server, pairs, connections: [first], resetFirst }) => {
        const ports = [pairs[0].local.port, pairs[0].remote.port] as const;
        const { result, packets } = await sniffed(client, ports, () => resetFirst());
        expect(result).toMatchObject({ outcome: 'cleared', remains: undefined });
        expect(stateOf(result)).toEqual(['reset', 'reset']);
        expect(await states(client, pairs)).toEqual([undefined, 'ESTABLISHED']);
        expect(await states(server, pairs.map(mirrored))).toEqual([undefined, 'ESTABLISHED']);
        expect(await client.call('pendingError', { fd: first.clientFd })).toBe(ECONNRESET);
        expect(await server.call('pendingError', { fd: first.serverFd })).toBe(ECONNRESET);
        expectExact(packets, ports[0]);
      }),
    );

    it('resets a half-closed connection', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, server, pairs, connections: [first], resetFirst }) => {
        await client.call('shutdown', { fd: first.clientFd, how: 'write' });
        await eventually(
          () => states(client, pairs),
          ([state]) => state === 'FIN_WAIT2',
        );
        expect(stateOf(await resetFirst())).toEqual(['reset', 'reset']);
        expect(await states(client, pairs)).toEqual([undefined, 'ESTABLISHED']);
        expect(await states(server, pairs.map(mirrored))).toEqual([undefined, 'ESTABLISHED']);
        expect(await client.call('pendingError', { fd: first.clientFd })).toBe(ECONNRESET);
        expect(await server.call('pendingError', { fd: first.serverFd })).toBe(EPIPE);
      }),
    );

    it('resets a connection while data flows', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, server, router, world }) => {
        const at = { address: world.serverAddress, port: 8_090 };
        await server.call('serve', { at, replyAfterMs: 0 });
        await client.call('churn', { to: at, perSecond: 0, halfClosePerSecond: 0, keepOpen: 1 });
        const local = await portTo(client, world.clientAddress, at);
        expect(await resetOn(router, at, local, 1_500)).toMatchObject({ outcome: 'cleared', remains: undefined });
        expect(await states(client, [{ local, remote: at }])).toEqual([undefined]);
        expect(await states(server, [{ local: at, remote: local }])).toEqual([undefined]);
      }),
    );

    it('resets what is left when the peer has vanished', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, server, pairs, connections: [first], resetFirst }) => {
        await ip(server, ['link set lab0 down']);
        await client.call('shutdown', { fd: first.clientFd, how: 'write' });
        const result = await resetFirst();
        expect(result).toMatchObject({
          outcome: 'cleared',
          remains: expect.stringContaining('no packet of it was seen'),
        });
        expect(stateOf(result)).toEqual(['reset', 'silent']);
        expect(await states(client, pairs)).toEqual([undefined, 'ESTABLISHED']);
      }),
    );

    it('learns from the retransmissions of a FIN where probes are dropped', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, world, pairs, connections: [first], resetFirst }) => {
        await world.cut?.('to-server');
        await client.call('shutdown', { fd: first.clientFd, how: 'write' });
        await dropInput(client, 'tcp flags & (ack | rst) == ack');
        const result = await resetFirst(undefined, 10_000);
        // This host itself has no way to the server.
        expect(stateOf(result)).toEqual(['went-silent', 'unreachable']);
        expect(result.outcome).toBe('cleared');
        expect(await states(client, pairs)).toEqual([undefined, 'ESTABLISHED']);
      }),
    );

    it('refuses a connection attempt', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, server, router, world }) => {
        await ip(server, ['link set lab0 down']);
        const to = { address: world.serverAddress, port: 8_091 };
        const { fds, ports } = await client.call('connectMany', { to, count: 1, limitMs: 0 });
        const local = { address: world.clientAddress, port: ports[0] };
        const result = await resetOn(router, local, to, 10_000);
        expect(stateOf(result)).toEqual(['went-silent', 'silent']);
        expect(result.outcome).toBe('cleared');
        expect(await states(client, [{ local, remote: to }])).toEqual([undefined]);
        expect(await client.call('pendingError', { fd: fds[0] })).toBe(ECONNREFUSED);
      }),
    );

    it('says what it finds where there is nothing to reset', { timeout: LIMIT_MS }, () =>
      withScene(family, async ({ client, router, world, pairs, resetFirst }) => {
        const unused = { address: world.clientAddress, port: 1 };
        const gone = await resetOn(router, unused, pairs[0].remote, 300);
        expect([gone.outcome, ...stateOf(gone)]).toEqual(['already-gone', 'absent', 'absent']);
        expect(await resetFirst(client)).toMatchObject({
          outcome: 'unsupported',
          because: expect.stringContaining('here'),
        });
        const bystander = family === 4 ? '192.0.2.1' : '2001:db8::1';
        const nowhere = await resetOn(router, { address: bystander, port: 2 }, { address: bystander, port: 3 }, 300);
        expect([nowhere.outcome, ...stateOf(nowhere)]).toEqual(['still-stuck', 'unreachable', 'unreachable']);
        expect(await states(client, pairs)).toEqual(['ESTABLISHED', 'ESTABLISHED']);
      }),
    );
  });

  it('takes no other than two addresses of one family', async () => {
    const router = { netnsInode: 1 } as Actor;
    const [v4, v6] = ['192.0.2.1', '2001:db8::1'].map((address) => ({ address, port: 1 }));
    expect(await resetOn(router, v4, v6, 1)).toMatchObject({ outcome: 'unsupported', ends: [] });
    expect(await resetOn(router, v4, { address: 'host', port: 1 }, 1)).toMatchObject({ outcome: 'unsupported' });
    expect(await resetOn(router, v4, { ...v4, port: 2 }, 1)).toMatchObject({ outcome: 'unsupported', ends: [] });
  });
});

/** The first reset that reaches the end at `port` carries what that end had acknowledged. */
function expectExact(packets: readonly SniffedPacket[], port: number): void {
  const expected = packets.filter(({ sport, flags }) => sport === port && flags === 'A').map((p) => p.acknowledgment);
  const reset = packets.find(({ dport, outgoing, flags }) => dport === port && !outgoing && flags === 'R');
  expect(reset?.checksums).toBe(true);
  expect(expected).toContain(reset?.sequence);
}

async function portTo(client: Actor, address: string, to: EndpointAddress): Promise<EndpointAddress> {
  const isOpen = ({ remote, state }: { remote: EndpointAddress; state: number }) =>
    remote.port === to.port && state === 1;
  const family = address.includes(':') ? 6 : 4;
  const find = async () => (await client.call('sockets', { family })).find(isOpen)?.local.port;
  return { address, port: (await eventually(find, (port) => port !== undefined)) as number };
}

async function dropInput(actor: Actor, match: string): Promise<void> {
  const rules = `table inet t { chain c { type filter hook input priority 0; ${match} drop; }; }`;
  expect(await actor.run('nft', [rules])).toMatchObject({ code: 0 });
}
