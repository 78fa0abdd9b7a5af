import { setTimeout as sleep } from 'node:timers/promises';
import { TcpState } from '@lastack/core';
import { connections, finish, pair, routed } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import { has } from './advice/check.ts';
import { ensureBuilt } from './support/command.ts';
import { eventually } from './support/eventually.ts';
import { missingNamespaces } from './support/privileged.ts';
import { expectInside, inState, inWorld, isPort, LIMIT_MS, lifeOf, tuned } from './support/tuned.ts';

/**
 * Each setting does what the catalogue says: the value is set by the built command, the life of a real socket is taken
 * with a stopwatch from /proc/net/tcp, and it must lie inside what the settings alone forecast.
 */
const SKIP = missingNamespaces() !== undefined;

beforeAll(() => ensureBuilt(), 120_000);

describe.skipIf(SKIP).concurrent('a setting, and the life of a socket', () => {
  it.each([4, 6] as const)(
    'tcp_orphan_retries ends orphans in FIN_WAIT1, and leaves held ones alone (IPv%i)',
    async (family) => {
      await inWorld(routed, family, async (world) => {
        const { client } = world;
        const [orphan, held] = await connections(world, 2);
        await world.cut?.('both');
        await finish(client, [held.clientFd], 'shutdown');
        const settings = await tuned(client, ['tcp_orphan_retries=3']);
        const started = performance.now();
        await finish(client, [orphan.clientFd], 'close');
        const life = await lifeOf(client, family, started, isPort(orphan.clientPort));
        expectInside(life, 'tcp_orphan_retries', settings);
        const all = await client.call('sockets', { family });
        expect(all.find(isPort(held.clientPort))?.state).toBe(TcpState.FIN_WAIT1);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_retries2 ends a held connection whose peer is silent',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        const settings = await tuned(client, ['tcp_retries2=3', 'tcp_orphan_retries=2']);
        const [one] = await connections(world, 1);
        await world.cut?.('both');
        const started = performance.now();
        await client.call('send', { fd: one.clientFd, bytes: 1 });
        expectInside(await lifeOf(client, 4, started, isPort(one.clientPort)), 'tcp_retries2', settings);
        expect(await client.call('pendingError', { fd: one.clientFd })).toBe(110);
      });
    },
    LIMIT_MS,
  );

  it.each([
    [5, 4],
    [61, 4],
    [61, 6],
    [62, 4],
  ] as const)(
    'tcp_fin_timeout=%i ends orphans in FIN_WAIT2 when the forecast says (IPv%i)',
    async (seconds, family) => {
      await inWorld(pair, family, async (world) => {
        const { client } = world;
        const settings = await tuned(client, [`tcp_fin_timeout=${seconds}`], ['--force']);
        const [one] = await connections(world, 1);
        const started = performance.now();
        await finish(client, [one.clientFd], 'close');
        const life = await lifeOf(client, family, started, isPort(one.clientPort));
        expectInside(life, 'tcp_fin_timeout', settings);
        // What a user would expect of 61 and 62, and does not get.
        if (seconds > 60) expect(life).toBeLessThan(seconds * 1000 - 20_000);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_fin_timeout governs neither FIN_WAIT1, TIME_WAIT, nor FIN_WAIT2 that is held or armed already',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        const [timeWait, held, armed, blackholed] = await connections(world, 4);
        await finish(client, [timeWait.clientFd, armed.clientFd], 'close');
        await finish(client, [held.clientFd], 'shutdown');
        await server.call('close', { fds: [timeWait.serverFd] });
        const stateOf = async (port: number) => (await client.call('sockets', { family: 4 })).find(isPort(port))?.state;
        await eventually(
          () => stateOf(timeWait.clientPort),
          (value) => value === TcpState.TIME_WAIT,
        );
        await eventually(
          () => stateOf(armed.clientPort),
          (value) => value === TcpState.FIN_WAIT2,
        );
        await eventually(
          () => stateOf(held.clientPort),
          (value) => value === TcpState.FIN_WAIT2,
        );
        await world.cut?.('both');
        await finish(client, [blackholed.clientFd], 'close');
        await tuned(client, ['tcp_fin_timeout=1']);
        await sleep(5_000);
        expect(await stateOf(timeWait.clientPort)).toBe(TcpState.TIME_WAIT);
        expect(await stateOf(armed.clientPort)).toBe(TcpState.FIN_WAIT2);
        expect(await stateOf(held.clientPort)).toBe(TcpState.FIN_WAIT2);
        expect(await stateOf(blackholed.clientPort)).toBe(TcpState.FIN_WAIT1);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_rto_max_ms shortens the end of orphans made after it, and not of those before',
    async ({ skip }) => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        if (!(await has(client, 'tcp_rto_max_ms'))) skip('this kernel has no tcp_rto_max_ms');
        const [old] = await connections(world, 1);
        const settings = await tuned(client, ['tcp_rto_max_ms=1000']);
        const [young] = await connections(world, 1, { servicePort: 8081 });
        await world.cut?.('both');
        const started = performance.now();
        await finish(client, [old.clientFd, young.clientFd], 'close');
        expectInside(await lifeOf(client, 4, started, isPort(young.clientPort)), 'tcp_orphan_retries', settings);
        await sleep(3_000);
        expect((await client.call('sockets', { family: 4 })).find(isPort(old.clientPort))?.state).toBe(
          TcpState.FIN_WAIT1,
        );
      });
    },
    LIMIT_MS,
  );

  it.each([
    ['tcp_syn_linear_timeouts=0', 'tcp_syn_retries=2'],
    ['tcp_syn_linear_timeouts=2', 'tcp_syn_retries=1'],
  ])(
    '%s and %s end connect() without an answer',
    async (...assignments) => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        const settings = await tuned(client, assignments);
        await world.cut?.('both');
        const to = { address: world.serverAddress, port: 8080 };
        const started = performance.now();
        const { fd } = await client.call('connect', { to, limitMs: 0 });
        expectInside(await lifeOf(client, 4, started, inState(TcpState.SYN_SENT)), 'tcp_syn_retries', settings);
        expect(await client.call('pendingError', { fd })).toBe(110);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_synack_retries ends a half-open connection',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        const settings = await tuned(server, ['tcp_synack_retries=1']);
        const at = { address: world.serverAddress, port: 8080 };
        await server.call('listen', { at, backlog: 64 });
        await world.cut?.('to-client');
        const started = performance.now();
        const { fd } = await client.call('connect', { to: at, limitMs: 0 });
        const halfOpen = async () => (await server.call('sockets', { family: 4 })).some(inState(TcpState.SYN_RECV));
        await eventually(halfOpen, (value) => value === true);
        // A repeated SYN would set its clock back.
        await client.call('close', { fds: [fd] });
        const life = await lifeOf(server, 4, started, inState(TcpState.SYN_RECV));
        expectInside(life, 'tcp_synack_retries', settings);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_max_tw_buckets lets no more TIME_WAIT begin, and ends none that is there',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client, server } = world;
        const inTimeWait = async () => {
          return (await client.call('sockets', { family: 4 })).filter(inState(TcpState.TIME_WAIT)).length;
        };
        const closedByClient = async (servicePort: number) => {
          const all = await connections(world, 10, { servicePort });
          await finish(
            client,
            all.map(({ clientFd }) => clientFd),
            'close',
          );
          await finish(
            server,
            all.map(({ serverFd }) => serverFd),
            'close',
          );
        };
        await closedByClient(8080);
        await eventually(inTimeWait, (value) => value === 10);
        await tuned(client, ['tcp_max_tw_buckets=12']);
        await closedByClient(8081);
        await sleep(500);
        expect(await inTimeWait()).toBe(12);
        await tuned(client, ['tcp_max_tw_buckets=3']);
        await sleep(500);
        expect(await inTimeWait()).toBe(12);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_keepalive_* end an idle connection that asked for keepalive, and no other',
    async () => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        const values = ['tcp_keepalive_time=2', 'tcp_keepalive_intvl=1', 'tcp_keepalive_probes=2'];
        const settings = await tuned(client, values);
        const started = performance.now();
        const [asked] = await connections(world, 1, { client: { SO_KEEPALIVE: 1 } });
        const [plain] = await connections(world, 1, { servicePort: 8081 });
        await world.cut?.('both');
        const life = await lifeOf(client, 4, started, isPort(asked.clientPort));
        expectInside(life, 'tcp_keepalive_time', settings);
        await sleep(2_000);
        const all = await client.call('sockets', { family: 4 });
        expect(all.find(isPort(plain.clientPort))?.state).toBe(TcpState.ESTABLISHED);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_keepalive_probes=0, refused unless forced, ends an idle connection although the peer lives',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        await tuned(client, ['tcp_keepalive_time=1', 'tcp_keepalive_probes=0'], ['--force']);
        const started = performance.now();
        const [one] = await connections(world, 1, { client: { SO_KEEPALIVE: 1 } });
        expect(await lifeOf(client, 4, started, isPort(one.clientPort))).toBeLessThan(30_000);
        expect(await client.call('pendingError', { fd: one.clientFd })).toBe(110);
      });
    },
    LIMIT_MS,
  );

  it(
    'ip_local_port_range and tcp_tw_reuse decide whether connect() finds a port',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client, server } = world;
        await tuned(client, ['ip_local_port_range=40000 40000']);
        const [first] = await connections(world, 1);
        expect(first.clientPort).toBe(40_000);
        await finish(client, [first.clientFd], 'close');
        await finish(server, [first.serverFd], 'close');
        const at = { address: world.serverAddress, port: 8080 };
        await server.call('listen', { at, backlog: 8 });
        const timeWaits = async () => (await client.call('sockets', { family: 4 })).filter(inState(TcpState.TIME_WAIT));
        await eventually(
          async () => (await timeWaits()).length,
          (value) => value === 1,
        );
        await sleep(1_500);
        await expect(client.call('connect', { to: at, limitMs: 5_000 })).rejects.toMatchObject({
          code: 'EADDRNOTAVAIL',
        });
        await tuned(client, ['tcp_tw_reuse=1']);
        expect(await timeWaits()).toHaveLength(1);
        expect(await client.call('connect', { to: at, limitMs: 5_000 })).toMatchObject({ port: 40_000 });
        await tuned(client, ['ip_local_port_range=40000 40001']);
        expect(await client.call('connect', { to: at, limitMs: 5_000 })).toMatchObject({ port: 40_001 });
      });
    },
    LIMIT_MS,
  );

  it(
    'somaxconn caps the queue of listeners that begin after it, as ss shows',
    async () => {
      await inWorld(pair, 4, async ({ server, serverAddress }) => {
        await server.call('listen', { at: { address: serverAddress, port: 8080 }, backlog: 100 });
        await tuned(server, ['somaxconn=7']);
        await server.call('listen', { at: { address: serverAddress, port: 8081 }, backlog: 100 });
        const { stdout } = await server.run('ss', ['-Hltn']);
        const backlogs = stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/\s+/))
          .map(([, , limit, local]) => [local.split(':').at(-1), limit]);
        expect(Object.fromEntries(backlogs)).toEqual({ 8080: '100', 8081: '7' });
      });
    },
    LIMIT_MS,
  );
});
