import { setTimeout as sleep } from 'node:timers/promises';
import { TcpState } from '@lastack/core';
import { type Actor, connections, finish, pair, routed, type World } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../lab/src/connection.ts';
import { ensureBuilt } from './support/command.ts';
import { eventually } from './support/eventually.ts';
import { missingNamespaces } from './support/privileged.ts';
import { sniffed } from './support/sniffer.ts';
import { straySegments } from './support/stray.ts';
import { forget, invalids, track, tracked } from './support/tracking.ts';
import { BUSY_MS, inState, inWorld, isPort, LIMIT_MS, lifeWhile, tuned } from './support/tuned.ts';

/**
 * Connection tracking remembers a connection as long as the catalogue says: the value is set by the built command, the
 * segments are real, and the life of the entry is taken with a stopwatch from what the conntrack program shows.
 */
const SKIP = missingNamespaces() !== undefined;

beforeAll(() => ensureBuilt(), 120_000);

/** The kernel counts an entry's time in ticks, and the conntrack program is not started at once. */
const EARLY_MS = 100;
/** An orphan that is retransmitted once is given up after this at the latest; each segment sets the tracker's clock anew. */
const RETRANSMITTING_MS = 2_000;
const SETTLE_MS = 200;
/** Farther than any window reaches. */
const FAR = 2 ** 30;
/** A FIN that is repeated is taken for the second one: the tracker goes on to LAST_ACK. This lets it see the first alone. */
const FIRST_FIN_ONLY =
  'table ip first { chain o { type filter hook output priority -300; tcp flags & fin == fin numgen inc mod 1000 != 0 drop; }; }';

const timeout = (state: string, seconds: number) => `nf_conntrack_tcp_timeout_${state}=${seconds}`;

type Ports = Pick<Connection, 'clientPort' | 'servicePort'>;

/** The entry was in this state, and went `seconds` after its last segment, which came at most `laterMs` after `started`. */
async function expectForgotten(
  actor: Actor,
  ports: Ports,
  started: number,
  { state, seconds, laterMs = 0 }: { state: string; seconds: number; laterMs?: number },
): Promise<void> {
  const states = new Set<string>();
  const life = await lifeWhile(started, async () => {
    const entry = await tracked(actor, ports);
    if (entry) states.add(entry.state);
    return entry;
  });
  expect([...states].at(-1)).toBe(state);
  expect(life).toBeGreaterThan(seconds * 1000 - EARLY_MS);
  expect(life).toBeLessThan(seconds * 1000 + laterMs + BUSY_MS);
}

/** Retransmissions end soon, and with them what would set the tracker's clock back. */
const quietly = (actor: Actor) =>
  actor.call('setSysctl', { values: { 'ipv4/tcp_orphan_retries': 1, 'ipv4/tcp_retries2': 1 } });

async function stateOf({ client }: World, { clientPort }: Ports): Promise<number | undefined> {
  return (await client.call('sockets', { family: 4 })).find(isPort(clientPort))?.state;
}

describe.skipIf(SKIP).concurrent('a timeout of connection tracking, and the life of an entry', () => {
  it(
    'syn_sent: a SYN without answer',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        await track(client);
        await tuned(client, [timeout('syn_sent', 3)]);
        await world.cut?.('both');
        const started = performance.now();
        const to = { address: world.serverAddress, port: 8080 };
        const { fd, port } = await client.call('connect', { to, limitMs: 0 });
        // A repeated SYN would set the clock back.
        await client.call('close', { fds: [fd] });
        const ports = { clientPort: port, servicePort: 8080 };
        await expectForgotten(client, ports, started, { state: 'SYN_SENT', seconds: 3 });
      });
    },
    LIMIT_MS,
  );

  it(
    'syn_recv: a SYN,ACK without answer',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        await track(server);
        await tuned(server, [timeout('syn_recv', 3), 'tcp_synack_retries=0']);
        const at = { address: world.serverAddress, port: 8080 };
        await server.call('listen', { at, backlog: 8 });
        await world.cut?.('to-client');
        const started = performance.now();
        const { fd, port } = await client.call('connect', { to: at, limitMs: 0 });
        const halfOpen = async () => (await server.call('sockets', { family: 4 })).some(inState(TcpState.SYN_RECV));
        await eventually(halfOpen, (value) => value);
        await client.call('close', { fds: [fd] });
        const ports = { clientPort: port, servicePort: 8080 };
        await expectForgotten(server, ports, started, { state: 'SYN_RECV', seconds: 3 });
      });
    },
    LIMIT_MS,
  );

  it(
    'established: from the last segment, and the sockets stay',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        await tuned(client, [timeout('established', 3)]);
        const [one] = await connections(world, 1);
        await sleep(2_000);
        const started = performance.now();
        await client.call('send', { fd: one.clientFd, bytes: 1 });
        await expectForgotten(client, one, started, { state: 'ESTABLISHED', seconds: 3 });
        expect(await stateOf(world, one)).toBe(TcpState.ESTABLISHED);
      });
    },
    LIMIT_MS,
  );

  it(
    'fin_wait: a FIN that is not acknowledged, until it is repeated; then last_ack',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        await track(client);
        await quietly(client);
        await tuned(client, [timeout('fin_wait', 3), timeout('last_ack', 6)]);
        const [once, repeated] = await connections(world, 2);
        await world.cut?.('both');
        const first = performance.now();
        await finish(client, [repeated.clientFd], 'close');
        const laterMs = RETRANSMITTING_MS;
        await expectForgotten(client, repeated, first, { state: 'LAST_ACK', seconds: 6, laterMs });
        expect(await client.run('nft', [FIRST_FIN_ONLY])).toMatchObject({ code: 0 });
        const started = performance.now();
        await finish(client, [once.clientFd], 'close');
        await expectForgotten(client, once, started, { state: 'FIN_WAIT', seconds: 3 });
      });
    },
    LIMIT_MS,
  );

  it(
    'close_wait: one FIN acknowledged, the other end open; the sockets stay',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        await tuned(client, [timeout('close_wait', 3)]);
        const [one] = await connections(world, 1);
        const started = performance.now();
        await finish(client, [one.clientFd], 'shutdown');
        await expectForgotten(client, one, started, { state: 'CLOSE_WAIT', seconds: 3 });
        expect(await stateOf(world, one)).toBe(TcpState.FIN_WAIT2);
      });
    },
    LIMIT_MS,
  );

  it(
    'last_ack: the second FIN is not acknowledged',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        await track(server);
        await quietly(server);
        await tuned(server, [timeout('last_ack', 4)]);
        const [one] = await connections(world, 1);
        await finish(client, [one.clientFd], 'shutdown');
        await eventually(
          () => stateOf(world, one),
          (value) => value === TcpState.FIN_WAIT2,
        );
        await world.cut?.('both');
        const started = performance.now();
        await finish(server, [one.serverFd], 'close');
        const laterMs = RETRANSMITTING_MS;
        await expectForgotten(server, one, started, { state: 'LAST_ACK', seconds: 4, laterMs });
      });
    },
    LIMIT_MS,
  );

  it(
    'time_wait: both FINs are acknowledged; the TIME_WAIT of the socket stays',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client, server } = world;
        await track(client);
        await tuned(client, [timeout('time_wait', 3)]);
        const [one] = await connections(world, 1);
        await finish(client, [one.clientFd], 'close');
        const started = performance.now();
        await finish(server, [one.serverFd], 'close');
        await expectForgotten(client, one, started, { state: 'TIME_WAIT', seconds: 3 });
        expect(await stateOf(world, one)).toBe(TcpState.TIME_WAIT);
      });
    },
    LIMIT_MS,
  );

  it(
    'close: a reset was seen',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        await tuned(client, [timeout('close', 3)]);
        const [one] = await connections(world, 1);
        const started = performance.now();
        await client.call('abort', { fds: [one.clientFd] });
        await expectForgotten(client, one, started, { state: 'CLOSE', seconds: 3 });
      });
    },
    LIMIT_MS,
  );

  it(
    'max_retrans: from nf_conntrack_tcp_max_retrans retransmissions on, and not before',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        await track(client);
        await quietly(client);
        const [given, kept] = [2, 100];
        const [short, long] = await connections(world, 2);
        const [later] = await connections(world, 1, { servicePort: 8081 });
        await tuned(client, [timeout('max_retrans', 3), `nf_conntrack_tcp_max_retrans=${kept}`]);
        await world.cut?.('both');
        await client.call('send', { fd: long.clientFd, bytes: 1 });
        await sleep(RETRANSMITTING_MS);
        expect((await tracked(client, long))?.seconds).toBeGreaterThan(200);
        await tuned(client, [`nf_conntrack_tcp_max_retrans=${given}`]);
        const started = performance.now();
        await client.call('send', { fd: short.clientFd, bytes: 1 });
        const laterMs = RETRANSMITTING_MS;
        await expectForgotten(client, short, started, { state: 'ESTABLISHED', seconds: 3, laterMs });
        expect((await tracked(client, later))?.state).toBe('ESTABLISHED');
      });
    },
    LIMIT_MS,
  );

  it(
    'unacknowledged: data that was sent and not acknowledged, not an idle connection',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        await track(client);
        await quietly(client);
        // Fewer retransmissions than this: otherwise max_retrans would govern, even where it is longer.
        await tuned(client, [timeout('unacknowledged', 3), 'nf_conntrack_tcp_max_retrans=100']);
        const [one, idle] = await connections(world, 2);
        await world.cut?.('both');
        const started = performance.now();
        await client.call('send', { fd: one.clientFd, bytes: 1 });
        const laterMs = RETRANSMITTING_MS;
        await expectForgotten(client, one, started, { state: 'ESTABLISHED', seconds: 3, laterMs });
        expect((await tracked(client, idle))?.seconds).toBeGreaterThan(400_000);
      });
    },
    LIMIT_MS,
  );

  it(
    'a value changed leaves the clocks that run already alone',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        const [one] = await connections(world, 1);
        await tuned(client, [timeout('established', 2)]);
        await sleep(4_000);
        expect((await tracked(client, one))?.seconds).toBeGreaterThan(400_000);
        const started = performance.now();
        await client.call('send', { fd: one.clientFd, bytes: 1 });
        await expectForgotten(client, one, started, { state: 'ESTABLISHED', seconds: 2 });
      });
    },
    LIMIT_MS,
  );
});

describe.skipIf(SKIP).concurrent('a switch of connection tracking, and what it calls invalid', () => {
  it(
    'nf_conntrack_tcp_loose decides whether a connection is picked up in its middle',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        const [strict, loose] = await connections(world, 2);
        await tuned(client, ['nf_conntrack_tcp_loose=0']);
        await forget(client);
        await client.call('send', { fd: strict.clientFd, bytes: 1 });
        await eventually(
          () => invalids(client),
          (count) => count > 0,
        );
        expect(await tracked(client, strict)).toBeUndefined();
        await tuned(client, ['nf_conntrack_tcp_loose=1']);
        const before = await invalids(client);
        await client.call('send', { fd: loose.clientFd, bytes: 1 });
        expect(await tracked(client, loose)).toMatchObject({ state: 'ESTABLISHED' });
        expect(await invalids(client)).toBe(before);
      });
    },
    LIMIT_MS,
  );

  it(
    'nf_conntrack_tcp_be_liberal is about segments above the window, ignore_invalid_rst about resets below it',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await track(client);
        const [one] = await connections(world, 1);
        const { packets } = await sniffed(client, [one.clientPort, one.servicePort], () =>
          client.call('send', { fd: one.clientFd, bytes: 1 }),
        );
        const sent = packets.find(({ outgoing }) => outgoing);
        if (!sent) expect.fail('no packet was seen');
        const fits = { sequence: sent.acknowledgment, acknowledgment: sent.sequence + 1 };
        const strays = {
          'ACK below': { ...fits, flag: 'ACK', sequence: fits.sequence - FAR },
          'ACK above': { ...fits, flag: 'ACK', sequence: fits.sequence + FAR },
          'RST a little below': { ...fits, flag: 'RST', sequence: fits.sequence - 1 },
          'RST below': { ...fits, flag: 'RST', sequence: fits.sequence - FAR },
          'RST above': { ...fits, flag: 'RST', sequence: fits.sequence + FAR },
        } as const;
        const invalidWith = async (liberal: number, ignore: number) => {
          const values = [`be_liberal=${liberal}`, `ignore_invalid_rst=${ignore}`];
          await tuned(
            client,
            values.map((value) => `nf_conntrack_tcp_${value}`),
          );
          const found: string[] = [];
          for (const [name, segment] of Object.entries(strays)) {
            const before = await invalids(client);
            await straySegments(world, [one], segment);
            await sleep(SETTLE_MS);
            if ((await invalids(client)) > before) found.push(name);
          }
          return found;
        };
        expect([
          await invalidWith(0, 0),
          await invalidWith(1, 0),
          await invalidWith(0, 1),
          await invalidWith(1, 1),
        ]).toEqual([
          ['ACK above', 'RST a little below', 'RST below', 'RST above'],
          ['RST a little below', 'RST below'],
          ['ACK above', 'RST above'],
          [],
        ]);
        expect(await stateOf(world, one)).toBe(TcpState.ESTABLISHED);
      });
    },
    LIMIT_MS,
  );
});
