import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FOREIGN_SETTINGS, findSetting, KERNEL_SETTINGS } from '@lastack/core';
import { type AddressPair, type Lab, loopback, pair, routed, type World } from '@lastack/lab';
import { describe, expect } from 'vitest';
import { type Connection, clientSide, connections, finish, SERVICE_PORT } from '../../../lab/src/connection.ts';
import { missingNamespaces } from '../support/privileged.ts';
import { ss } from '../support/ss.ts';
import { straySegments } from '../support/stray.ts';
import { check, cutBoth, has, inLab, seen, set, stateOf, untilState } from './check.ts';

/** A timer fires late, by up to an eighth, and the machine may be busy. */
const SLACK_MS = 5_000;

const fdsOf = (all: readonly Connection[]) => all.map(({ clientFd }) => clientFd);

/** Connections whose client closed first, and whose peer then did: TIME_WAIT here. */
async function timeWaits(world: World, count: number): Promise<void> {
  const all = await connections(world, count);
  await finish(world.client, fdsOf(all), 'close');
  await finish(
    world.server,
    all.map(({ serverFd }) => serverFd),
    'close',
  );
  for (const one of clientSide(world, all)) await untilState(world.client, one, 'TIME_WAIT');
}

async function countOf(world: World, state: string): Promise<number> {
  return [...(await ss(world.client)).values()].filter((line) => line.state === state).length;
}

describe.skipIf(missingNamespaces() !== undefined)('verdicts on settings, on this kernel', () => {
  check('fin-timeout-leaves-fin-wait-1', 'tcp_fin_timeout=1 does not end it', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      await set(world.client, { tcp_fin_timeout: 1 });
      const all = await connections(world, 2);
      const [held, orphan] = clientSide(world, all);
      await cutBoth(world);
      await finish(world.client, [all[0].clientFd], 'shutdown');
      await finish(world.client, [all[1].clientFd], 'close');
      await sleep(6_000);
      expect(await seen(world.client, held)).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
      expect(await seen(world.client, orphan)).toMatchObject({ state: 'FIN_WAIT1', timer: { kind: 'retransmit' } });
    }),
  );

  check('fin-timeout-leaves-time-wait', 'tcp_fin_timeout=1 does not shorten it, before or during', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      await set(world.client, { tcp_fin_timeout: 1 });
      const all = await connections(world, 1);
      const [one] = clientSide(world, all);
      const closedMs = performance.now();
      await finish(world.client, fdsOf(all), 'close');
      await finish(world.server, [all[0].serverFd], 'close');
      await untilState(world.client, one, 'TIME_WAIT');
      await set(world.client, { tcp_fin_timeout: 2 });
      await sleep(5_000);
      const line = await seen(world.client, one);
      expect(line?.state).toBe('TIME_WAIT');
      // What is left and what has passed make 60 s; ss leaves fractions of a second out.
      expect((line?.timer?.expiresMs ?? 0) + performance.now() - closedMs).toBeGreaterThan(59_000);
      expect(line?.timer?.expiresMs).toBeLessThanOrEqual(60_000);
    }),
  );

  check('fin-timeout-61-gives-2-s', 'an orphan in FIN_WAIT2 lasts T up to 60, and 2 x (T - 60) above', () =>
    inLab(async (lab) => {
      const lasting = [
        { seconds: 5, lastsMs: 5_000 },
        { seconds: 61, lastsMs: 2_000 },
        { seconds: 64, lastsMs: 8_000 },
      ].map(async ({ seconds, lastsMs }) => {
        const { world, one, closedMs } = await finWait2(lab, seconds);
        await untilState(world.client, one, undefined);
        const tookMs = performance.now() - closedMs;
        expect(tookMs, `tcp_fin_timeout=${seconds}`).toBeGreaterThan(lastsMs);
        expect(tookMs, `tcp_fin_timeout=${seconds}`).toBeLessThan(lastsMs * 1.13 + SLACK_MS);
      });
      await Promise.all(lasting);
    }),
  );

  check(
    'fin-timeout-leaves-armed-timers',
    'but the second half of a wait above 60 is worked out when the first ends',
    () =>
      inLab(async (lab) => {
        const [short, long] = await Promise.all([finWait2(lab, 40), finWait2(lab, 66)]);
        await Promise.all([
          set(short.world.client, { tcp_fin_timeout: 1 }),
          set(long.world.client, { tcp_fin_timeout: 61 }),
        ]);
        await untilState(long.world.client, long.one, undefined);
        const tookMs = performance.now() - long.closedMs;
        expect(tookMs).toBeGreaterThan(6_000 + 1_000);
        expect(tookMs).toBeLessThan(2 * 6_000);
        const line = await seen(short.world.client, short.one);
        expect(line?.state).toBe('FIN_WAIT2');
        expect((line?.timer?.expiresMs ?? 0) + performance.now() - short.closedMs).toBeGreaterThan(39_000);
      }),
  );

  check('orphan-retries-reads-0', 'in a new namespace, and an orphan outlives 0 retries by far', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      expect(await world.client.call('getSysctl', { name: 'ipv4/tcp_orphan_retries' })).toBe('0');
      const all = await connections(world, 1);
      const [orphan] = clientSide(world, all);
      await cutBoth(world);
      await finish(world.client, fdsOf(all), 'close');
      await sleep(5_000);
      expect((await seen(world.client, orphan))?.timer?.retries).toBeGreaterThanOrEqual(3);
      expect(await stateOf(world.client, orphan)).toBe('FIN_WAIT1');
    }),
  );

  check('orphan-retries-1-acts-at-once', 'on orphans with undelivered data, and on no held socket', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const all = await connections(world, 2);
      const [orphan, held] = clientSide(world, all);
      await cutBoth(world);
      for (const fd of fdsOf(all)) await world.client.call('send', { fd, bytes: 1_000 });
      await finish(world.client, [all[0].clientFd], 'close');
      await finish(world.client, [all[1].clientFd], 'shutdown');
      await sleep(2_500);
      expect(await seen(world.client, orphan)).toMatchObject({ state: 'FIN_WAIT1', sendQueue: 1_001, inode: 0 });
      await set(world.client, { tcp_orphan_retries: 1 });
      expect(await untilState(world.client, orphan, undefined)).toBeLessThan(10_000);
      expect(await seen(world.client, held)).toMatchObject({ state: 'FIN_WAIT1', sendQueue: 1_001 });
    }),
  );

  check(
    'retries2-ends-held-not-orphans',
    'tcp_retries2=3 acts on a held socket, not on orphan or idle connection',
    () =>
      inLab(async (lab) => {
        const world = await routed(lab, 4);
        await set(world.client, { tcp_retries2: 3 });
        const all = await connections(world, 3);
        const [held, orphan, idle] = clientSide(world, all);
        await cutBoth(world);
        await finish(world.client, [all[1].clientFd], 'close');
        await finish(world.client, [all[0].clientFd], 'shutdown');
        // 0.2 s x (2^4 - 1), counted from the first retransmission.
        const tookMs = await untilState(world.client, held, undefined);
        expect(tookMs).toBeGreaterThan(2_500);
        expect(tookMs).toBeLessThan(12_000);
        expect(await stateOf(world.client, orphan)).toBe('FIN_WAIT1');
        expect(await stateOf(world.client, idle)).toBe('ESTABLISHED');
      }),
  );

  check('keepalive-settings-need-so-keepalive', 'without the option they do nothing', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      await set(world.client, { tcp_keepalive_time: 1, tcp_keepalive_intvl: 1, tcp_keepalive_probes: 1 });
      const [asked] = await connections(world, 1, { client: { SO_KEEPALIVE: 1 } });
      const [silent] = await connections(world, 1);
      const [askedPair, silentPair] = clientSide(world, [asked, silent]);
      await cutBoth(world);
      expect(await untilState(world.client, askedPair, undefined)).toBeLessThan(8_000);
      await sleep(2_000);
      expect(await seen(world.client, silentPair)).toMatchObject({ state: 'ESTABLISHED', timer: undefined });
    }),
  );

  check('max-tw-buckets-evicts-nothing', 'lowered, those that are there stay; the next are not made', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      await timeWaits(world, 3);
      await set(world.client, { tcp_max_tw_buckets: 1 });
      await sleep(1_500);
      expect(await countOf(world, 'TIME_WAIT')).toBe(3);
      const all = await connections(world, 1);
      await finish(world.client, fdsOf(all), 'close');
      await finish(world.server, [all[0].serverFd], 'close');
      await untilState(world.client, clientSide(world, all)[0], undefined, 3_000);
      expect(await countOf(world, 'TIME_WAIT')).toBe(3);
    }),
  );

  check(
    'tw-reuse-frees-nothing',
    'but lets connect() take one over; 2 only on loopback; never without timestamps',
    () =>
      inLab(async (lab) => {
        const far = await pair(lab, 4);
        await shortOfPorts(far);
        expect(await tryConnect(far, 0)).toBe('EADDRNOTAVAIL');
        expect(await tryConnect(far, 2)).toBe('EADDRNOTAVAIL');
        await set(far.client, { tcp_tw_reuse: 1 });
        await sleep(500);
        expect(await countOf(far, 'TIME_WAIT')).toBe(2);
        expect(await tryConnect(far, 1)).toBe('ok');
        expect(await countOf(far, 'TIME_WAIT')).toBe(1);

        const without = await pair(lab, 4);
        await set(without.client, { tcp_timestamps: 0 });
        await shortOfPorts(without);
        expect(await tryConnect(without, 1)).toBe('EADDRNOTAVAIL');

        const near = await loopback(lab, 4);
        await shortOfPorts(near);
        expect(await tryConnect(near, 0)).toBe('EADDRNOTAVAIL');
        expect(await tryConnect(near, 2)).toBe('ok');
      }),
  );

  check('tw-recycle-is-gone', 'the kernel has no such setting', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      expect(await has(actor, 'tcp_tw_reuse')).toBe(true);
      expect(await has(actor, 'tcp_tw_recycle')).toBe(false);
      await expect(set(actor, { tcp_tw_recycle: 1 })).rejects.toMatchObject({ code: 'ENOENT' });
    }),
  );

  check('rfc1337-ignores-resets', 'with 0 a reset ends TIME_WAIT, with 1 it does not', () =>
    inLab(async (lab) => {
      for (const [value, wanted] of [
        [0, undefined],
        [1, 'TIME_WAIT'],
      ] as const) {
        const world = await pair(lab, 4);
        await set(world.client, { tcp_rfc1337: value });
        const all = await connections(world, 1);
        const [one] = clientSide(world, all);
        await finish(world.client, fdsOf(all), 'close');
        await finish(world.server, [all[0].serverFd], 'close');
        await untilState(world.client, one, 'TIME_WAIT');
        // It is answered, and the peer, which knows no such connection any more, resets.
        await straySegments(world, all);
        await sleep(1_000);
        expect(await stateOf(world.client, one), `tcp_rfc1337=${value}`).toBe(wanted);
      }
    }),
  );

  check('syn-retries-bounds-connect', 'tcp_syn_retries=1 gives up within seconds', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      await set(world.client, {
        tcp_syn_retries: 1,
        ...((await has(world.client, 'tcp_syn_linear_timeouts')) && { tcp_syn_linear_timeouts: 0 }),
      });
      await cutBoth(world);
      const to = { address: world.serverAddress, port: SERVICE_PORT };
      const begin = performance.now();
      await expect(world.client.call('connect', { to, limitMs: 20_000 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
      const tookMs = performance.now() - begin;
      expect(tookMs).toBeGreaterThan(2_500);
      expect(tookMs).toBeLessThan(10_000);
    }),
  );

  check('rto-max-shortens-new-orphans', 'and not those that were there before', ({ skip }) =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      if (!(await has(world.client, 'tcp_rto_max_ms'))) skip('this kernel has no tcp_rto_max_ms');
      const before = await connections(world, 1);
      await set(world.client, { tcp_rto_max_ms: 1_000 });
      const after = await connections(world, 1);
      const [old, fresh] = clientSide(world, [...before, ...after]);
      await cutBoth(world);
      await finish(world.client, fdsOf([...before, ...after]), 'close');
      // 0.2, 0.4, 0.8 and 1 s: the interval has reached its maximum.
      expect(await untilState(world.client, fresh, undefined)).toBeLessThan(12_000);
      await sleep(2_000);
      expect(await stateOf(world.client, old)).toBe('FIN_WAIT1');
    }),
  );

  check('synack-retries-bounds-syn-recv', 'tcp_synack_retries=1 drops it within seconds', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      await set(world.server, { tcp_synack_retries: 1 });
      const at = { address: world.serverAddress, port: SERVICE_PORT };
      await world.server.call('listen', { at, backlog: 8 });
      await world.cut?.('to-client');
      const { port } = await world.client.call('connect', { to: at, limitMs: 0 });
      const begin = performance.now();
      const one = { local: at, remote: { address: world.clientAddress, port } };
      await untilState(world.server, one, 'SYN_RECV');
      // The client goes on asking: only then does nothing begin anew.
      await world.cut?.('both');
      await untilState(world.server, one, undefined);
      const tookMs = performance.now() - begin;
      expect(tookMs).toBeGreaterThan(2_500);
      expect(tookMs).toBeLessThan(12_000);
    }),
  );

  check('tw-reuse-delay-is-waited-for', 'a TIME_WAIT younger than that is not taken over', ({ skip }) =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      if (!(await has(world.client, 'tcp_tw_reuse_delay'))) skip('this kernel has no tcp_tw_reuse_delay');
      await set(world.client, { tcp_tw_reuse_delay: 30_000 });
      await shortOfPorts(world);
      expect(await tryConnect(world, 1)).toBe('EADDRNOTAVAIL');
      await set(world.client, { tcp_tw_reuse_delay: 1 });
      expect(await countOf(world, 'TIME_WAIT')).toBe(2);
      expect(await tryConnect(world, 1)).toBe('ok');
    }),
  );

  check('more-ports-free-nothing', 'connect() finds a port again, beside every TIME_WAIT', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      await shortOfPorts(world);
      expect(await tryConnect(world, 0)).toBe('EADDRNOTAVAIL');
      await set(world.client, { ip_local_port_range: '40000 40003' });
      expect(await tryConnect(world, 0)).toBe('ok');
      expect(await countOf(world, 'TIME_WAIT')).toBe(2);
    }),
  );

  check('renamed-settings-are-gone', 'only the names of today are there', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      expect(await has(actor, 'netfilter/ip_conntrack_tcp_timeout_close_wait')).toBe(false);
      expect(await has(actor, 'ip_conntrack_max')).toBe(false);
    }),
  );

  check('foreign-names-are-unknown-here', 'and what governs the same thing is there', () =>
    inLab(async (lab) => {
      const actor = await lab.namespace('lab-alone');
      for (const { name, here } of FOREIGN_SETTINGS) {
        expect(await has(actor, name), name).toBe(false);
        expect(existsSync(`/proc/sys/${name.replaceAll('.', '/')}`), name).toBe(false);
        for (const each of here) expect(findSetting(each)?.name).toBe(each);
      }
      const old = KERNEL_SETTINGS.filter(({ since, until, path }) => !since && !until && path.startsWith('net/ipv4'));
      for (const { name, scope } of old) if (scope === 'namespace') expect(await has(actor, name), name).toBe(true);
    }),
  );
});

/** An orphan in FIN_WAIT2, in a world of its own where tcp_fin_timeout has this value. */
async function finWait2(lab: Lab, seconds: number): Promise<{ world: World; one: AddressPair; closedMs: number }> {
  const world = await pair(lab, 4);
  await set(world.client, { tcp_fin_timeout: seconds });
  const all = await connections(world, 1);
  const [one] = clientSide(world, all);
  const closedMs = performance.now();
  await finish(world.client, fdsOf(all), 'close');
  await untilState(world.client, one, 'FIN_WAIT2');
  return { world, one, closedMs };
}

/** Two local ports for the service, and both in TIME_WAIT; someone listens again. */
async function shortOfPorts(world: World): Promise<void> {
  await set(world.client, { ip_local_port_range: '40000 40001' });
  await timeWaits(world, 2);
  await world.server.call('listen', { at: { address: world.serverAddress, port: SERVICE_PORT }, backlog: 8 });
  // A TIME_WAIT may be taken over when its timestamps are a second old.
  await sleep(1_500);
}

async function tryConnect(world: World, reuse: number): Promise<string> {
  await set(world.client, { tcp_tw_reuse: reuse });
  const to = { address: world.serverAddress, port: SERVICE_PORT };
  return world.client.call('connect', { to, limitMs: 5_000 }).then(
    () => 'ok',
    ({ code }: { code?: string }) => code ?? 'failed',
  );
}
