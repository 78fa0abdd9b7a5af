import { setTimeout as sleep } from 'node:timers/promises';
import { TcpState } from '@lastack/core';
import { type Actor, connections, finish, pair, routed, type World } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../lab/src/connection.ts';
import { has } from './advice/check.ts';
import { ensureBuilt } from './support/command.ts';
import { eventually } from './support/eventually.ts';
import { missingNamespaces } from './support/privileged.ts';
import { sniffed } from './support/sniffer.ts';
import { straySegments } from './support/stray.ts';
import { BUSY_MS, EARLY_MS, inState, inWorld, isPort, LIMIT_MS, lifeOf, tuned } from './support/tuned.ts';

/**
 * What settings do besides ending sockets: the value is set by the built command, and packets, counters of the kernel,
 * ss, or the error that a program gets say what came of it.
 */
const SKIP = missingNamespaces() !== undefined;

beforeAll(() => ensureBuilt(), 120_000);

const SETTLE_MS = 500;

/** A counter of TcpExt, as the kernel itself prints it. */
async function counter(actor: Actor, name: string): Promise<number> {
  const { stdout } = await actor.run('cat', ['/proc/self/net/netstat']);
  const [names, values] = stdout.split('\n').map((line) => line.split(' '));
  return Number(values[names.indexOf(name)]);
}

/** What `ss -tino` says of the socket with this local port. */
async function insideOf(actor: Actor, port: number): Promise<string> {
  const { stdout } = await actor.run('ss', ['-tinoOH', `sport = :${port}`]);
  return stdout;
}

async function countIn(actor: Actor, state: number): Promise<number> {
  return (await actor.call('sockets', { family: 4 })).filter(inState(state)).length;
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'ok',
    ({ code }: { code?: string }) => code ?? 'failed',
  );
}

async function closedByClient({ client, server }: World, [one]: readonly Connection[]): Promise<void> {
  await finish(client, [one.clientFd], 'close');
  await finish(server, [one.serverFd], 'close');
}

/** A listener to which SYNs come, and from which nothing comes back. */
async function unanswered(world: World, backlog: number): Promise<{ address: string; port: number }> {
  const at = { address: world.serverAddress, port: 8080 };
  await world.server.call('listen', { at, backlog });
  await world.cut?.('to-client');
  return at;
}

describe.skipIf(SKIP).concurrent('a setting, and what it does', () => {
  it(
    'tcp_tw_reuse_delay is how old a TIME_WAIT must be before connect() takes it over',
    async ({ skip }) => {
      await inWorld(pair, 4, async (world) => {
        const { client, server } = world;
        if (!(await has(client, 'tcp_tw_reuse_delay'))) skip('this kernel has no tcp_tw_reuse_delay');
        await tuned(client, ['ip_local_port_range=40000 40000', 'tcp_tw_reuse=1', 'tcp_tw_reuse_delay=4000']);
        const started = performance.now();
        await closedByClient(world, await connections(world, 1));
        const at = { address: world.serverAddress, port: 8080 };
        await server.call('listen', { at, backlog: 8 });
        await eventually(
          () => countIn(client, TcpState.TIME_WAIT),
          (count) => count === 1,
        );
        const outcomes = new Set<string>();
        await eventually(
          async () => {
            const outcome = await codeOf(client.call('connect', { to: at, limitMs: 5_000 }));
            outcomes.add(outcome);
            return outcome;
          },
          (outcome) => outcome === 'ok',
        );
        const tookMs = performance.now() - started;
        expect([...outcomes]).toEqual(['EADDRNOTAVAIL', 'ok']);
        expect(tookMs).toBeGreaterThan(4_000 - EARLY_MS);
        expect(tookMs).toBeLessThan(4_000 + BUSY_MS);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_rto_min_us is the shortest interval, of new sockets, and no measure of when they are given up',
    async ({ skip }) => {
      await inWorld(routed, 4, async (world) => {
        const { client } = world;
        if (!(await has(client, 'tcp_rto_min_us'))) skip('this kernel has no tcp_rto_min_us');
        const [old] = await connections(world, 1);
        // A tail loss probe would come before the timeout.
        await client.call('setSysctl', { values: { 'ipv4/tcp_early_retrans': 0 } });
        await tuned(client, ['tcp_rto_min_us=2000000', 'tcp_retries2=3']);
        const [young] = await connections(world, 1, { servicePort: 8081 });
        expect(await insideOf(client, old.clientPort)).toMatch(/ rto:2\d\d /);
        expect(await insideOf(client, young.clientPort)).toMatch(/ rto:20\d\d /);
        await world.cut?.('both');
        const started = performance.now();
        for (const { clientFd: fd } of [old, young]) await client.call('send', { fd, bytes: 1 });
        const untilFirst = ({ clientPort }: Connection) =>
          lifeOf(client, 4, started, (socket) => isPort(clientPort)(socket) && socket.retransmits === 0);
        const [oldMs, youngMs] = await Promise.all([untilFirst(old), untilFirst(young)]);
        expect(oldMs).toBeLessThan(youngMs);
        expect(youngMs).toBeGreaterThan(2_000 - EARLY_MS);
        expect(youngMs).toBeLessThan(2_000 + BUSY_MS);
        // 0.2 s x (2^4 - 1) from the first retransmission: the timeout after that, at 2 + 4 s. From 2 s it were 30 s more.
        const life = await lifeOf(client, 4, started, isPort(young.clientPort));
        expect(life).toBeGreaterThan(6_000 - EARLY_MS);
        expect(life).toBeLessThan(7_500 + BUSY_MS);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_timestamps=0 ends the timestamps of new connections, as ss shows',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        const [old] = await connections(world, 1);
        await tuned(client, ['tcp_timestamps=0']);
        const [young] = await connections(world, 1, { servicePort: 8081 });
        expect(await insideOf(client, old.clientPort)).toMatch(/\sts\s/);
        expect(await insideOf(client, young.clientPort)).not.toMatch(/\sts\s/);
      });
    },
    LIMIT_MS,
  );

  it.each([
    [0, 'ok', TcpState.SYN_RECV],
    [1, 'ECONNRESET', undefined],
  ] as const)(
    'tcp_abort_on_overflow=%i: a handshake that the accept queue has no room for ends in %s; a SYN is dropped',
    async (value, outcome, state) => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        await tuned(server, [`tcp_abort_on_overflow=${value}`]);
        const at = await unanswered(world, 2);
        const { fd, port } = await client.call('connect', { to: at, limitMs: 0 });
        await eventually(
          () => countIn(server, TcpState.SYN_RECV),
          (count) => count === 1,
        );
        // From its own host, which nothing cuts off: the queue is full now.
        await server.call('connectMany', { to: at, count: 3, limitMs: 5_000 });
        await world.restore?.();
        const mine = (socket: { remote: { port: number } }) => socket.remote.port === port;
        await eventually(
          () => counter(server, 'ListenOverflows'),
          (count) => count > 0,
        );
        await sleep(SETTLE_MS);
        expect(await client.call('pendingError', { fd })).toBe(outcome === 'ok' ? 0 : 104);
        expect((await client.call('sockets', { family: 4 })).find(isPort(port))?.state).toBe(
          outcome === 'ok' ? TcpState.ESTABLISHED : undefined,
        );
        expect((await server.call('sockets', { family: 4 })).find(mine)?.state).toBe(state);
        // A client that comes when the queue is full already gets no answer either way.
        expect(await codeOf(client.call('connect', { to: at, limitMs: 2_000 }))).toBe('ETIMEDOUT');
      });
    },
    LIMIT_MS,
  );

  it.each([
    [0, true, false],
    [1, true, true],
    [2, false, true],
  ])(
    'tcp_syncookies=%i: of 20 SYNs to a queue of 4, the first are kept: %s, and the others answered with cookies: %s',
    async (value, isKept, isAnswered) => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        await tuned(server, [`tcp_syncookies=${value}`]);
        const at = await unanswered(world, 4);
        const before = await counter(server, 'SyncookiesSent');
        const { fds } = await client.call('connectMany', { to: at, count: 20, limitMs: 0 });
        // A repeated SYN would be answered with another cookie.
        await client.call('close', { fds });
        await sleep(SETTLE_MS);
        const kept = await countIn(server, TcpState.SYN_RECV);
        // Whether a queue is full at its limit or above it differs between kernels.
        expect(isKept ? [4, 5] : [0]).toContain(kept);
        expect((await counter(server, 'SyncookiesSent')) - before).toBe(isAnswered ? 20 - kept : 0);
      });
    },
    LIMIT_MS,
  );

  it.each([
    [0, 13],
    [1, 20],
  ])(
    'tcp_max_syn_backlog=16 with tcp_syncookies=%i keeps %i of 20 half-open connections',
    async (syncookies, kept) => {
      await inWorld(routed, 4, async (world) => {
        const { client, server } = world;
        await tuned(server, ['tcp_max_syn_backlog=16', `tcp_syncookies=${syncookies}`]);
        const at = await unanswered(world, 100);
        const { fds } = await client.call('connectMany', { to: at, count: 20, limitMs: 0 });
        await client.call('close', { fds });
        await sleep(SETTLE_MS);
        expect(await countIn(server, TcpState.SYN_RECV)).toBe(kept);
      });
    },
    LIMIT_MS,
  );

  it.each([
    [0, 3],
    [10_000, 1],
  ])(
    'tcp_invalid_ratelimit=%i: of three segments that do not fit, %i are answered',
    async (value, answered) => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        const all = await connections(world, 1);
        await tuned(client, [`tcp_invalid_ratelimit=${value}`]);
        const { packets } = await sniffed(client, [all[0].clientPort, all[0].servicePort], async () => {
          for (let segment = 0; segment < 3; segment++) await straySegments(world, all);
        });
        expect(packets.filter(({ outgoing }) => !outgoing)).toHaveLength(3);
        expect(packets.filter(({ outgoing, flags }) => outgoing && flags === 'A')).toHaveLength(answered);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_invalid_ratelimit is waited for, and then one is answered again',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        const all = await connections(world, 1);
        await tuned(client, ['tcp_invalid_ratelimit=3000']);
        await straySegments(world, all);
        const started = performance.now();
        const { result } = await sniffed(client, [all[0].clientPort, all[0].servicePort], async () => {
          const before = await counter(client, 'TCPACKSkippedSeq');
          await straySegments(world, all);
          return (await counter(client, 'TCPACKSkippedSeq')) - before;
        });
        expect(result).toBe(1);
        await sleep(Math.max(0, started + 3_100 - performance.now()));
        const { packets } = await sniffed(client, [all[0].clientPort, all[0].servicePort], () =>
          straySegments(world, all),
        );
        expect(packets.filter(({ outgoing, flags }) => outgoing && flags === 'A')).toHaveLength(1);
      });
    },
    LIMIT_MS,
  );

  it(
    'tcp_challenge_ack_limit bounds those of the whole namespace, unless it is 0',
    async () => {
      await inWorld(pair, 4, async (world) => {
        const { client } = world;
        const all = await connections(world, 8);
        const challenged = async (limit: number) => {
          // The number that was drawn for this second stays, whatever is set.
          await sleep(1_100);
          await tuned(client, [`tcp_challenge_ack_limit=${limit}`, 'tcp_invalid_ratelimit=0'], ['--force']);
          const before = await counter(client, 'TCPChallengeACK');
          await straySegments(world, all, { flag: 'SYN' });
          await sleep(SETTLE_MS);
          return (await counter(client, 'TCPChallengeACK')) - before;
        };
        expect(await challenged(2_147_483_647)).toBe(8);
        // Any number is drawn on 6.18; a kernel that draws from none sends none.
        expect([0, 8]).toContain(await challenged(0));
        // A second may have begun between the segments.
        const few = await challenged(1);
        expect(few).toBeGreaterThanOrEqual(1);
        expect(few).toBeLessThanOrEqual(2);
      });
    },
    LIMIT_MS,
  );

  it.each([
    [0, 104],
    [1, 0],
  ])(
    'tcp_migrate_req=%i: connections that wait for a listener that is closed end with error %i',
    async (value, error) => {
      await inWorld(pair, 4, async (world) => {
        const { client, server } = world;
        const at = { address: world.serverAddress, port: 8080 };
        const options = { SO_REUSEPORT: 1 } as const;
        const first = await server.call('listen', { at, backlog: 64, options });
        const { fds } = await client.call('connectMany', { to: at, count: 4, limitMs: 5_000 });
        const second = await server.call('listen', { at, backlog: 64, options });
        await tuned(server, [`tcp_migrate_req=${value}`]);
        await server.call('close', { fds: [first.fd] });
        await sleep(SETTLE_MS);
        for (const fd of fds) expect(await client.call('pendingError', { fd })).toBe(error);
        const accepted = server.call('acceptMany', { fd: second.fd, count: 4, limitMs: 1_000 });
        expect(await codeOf(accepted)).toBe(error === 0 ? 'ok' : 'EAGAIN');
      });
    },
    LIMIT_MS,
  );
});
