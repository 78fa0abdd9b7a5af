import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { forecastInputOf, type RetuneWish } from '@lastack/core';
import type { Libc } from '@lastack/kernel';
import { type AddressPair, Lab, pair, runScenario, type World } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Effects } from '../src/effects.ts';
import { applyRetunes } from '../src/engine/retune/apply.ts';
import { planRetunes, type RetuneCandidate, sorted } from '../src/engine/retune/plan.ts';
import type { RetuneJson } from '../src/report/retune_json.ts';
import { contextOf, diagOf, libc, tableOf, targetsOf } from './clear_means/world.ts';
import { PORT, Scene } from './retune/scene.ts';
import { type Language, programs } from './retune/waiter.ts';
import { expectNoStack } from './support/assertions.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, outcomeOf, start } from './support/command.ts';
import { missingNamespaces, missingOtherUsers } from './support/privileged.ts';

const LIMIT_MS = 60_000;
const KEEPALIVE: RetuneWish = {
  keepalive: true,
  keepaliveIdleSeconds: 20,
  keepaliveIntervalSeconds: 3,
  keepaliveProbes: 4,
};
const TCP_LINGER2 = 8;
const EPERM = 1;

const skip = missingNamespaces() !== undefined;

describe.skipIf(skip)('between the plan and its turn', { timeout: LIMIT_MS }, () => {
  beforeAll(ensureBuilt, 120_000);

  interface Opened extends World {
    lab: Lab;
    fds: number[];
    sockets: AddressPair[];
  }

  async function opened(count: number, body: (world: Opened) => Promise<void>): Promise<void> {
    const lab = new Lab({ actorFile: LAB_ACTOR });
    try {
      const world = await pair(lab, 4);
      const at = { address: world.serverAddress, port: PORT };
      await world.server.call('listen', { at, backlog: 64 });
      const { fds, ports } = await world.client.call('connectMany', { to: at, count, limitMs: 10_000 });
      const sockets = ports.map((port) => ({ local: { address: world.clientAddress, port }, remote: at }));
      await body({ ...world, lab, fds, sockets });
    } finally {
      await lab.close();
    }
  }

  /** As the command makes them. */
  async function candidates(world: Opened, wish: RetuneWish): Promise<RetuneCandidate[]> {
    const targets = await targetsOf(world.client, world.sockets);
    const diag = diagOf(world.client);
    const table = await tableOf(diag);
    diag.close();
    const namespace = { table, settings: {}, options: new Map() };
    return targets.map((target) => {
      const row = Array.from({ length: table.count }, (_, index) => index).find(
        (each) => table.cookie(each) === target.cookie,
      );
      return { target, wish, input: forecastInputOf({}, namespace, row ?? 0) };
    });
  }

  async function scene(
    world: Opened,
    wish: RetuneWish,
    meanwhile: () => Promise<unknown> = async () => undefined,
    replaced?: Partial<Effects>,
  ) {
    const context = contextOf([world.client, world.server]);
    if (replaced) Object.assign(context.effects, replaced);
    try {
      const { steps, refusals } = sorted(await planRetunes(context, await candidates(world, wish)));
      // Open from the beginning, as the observed namespaces are.
      context.diag(world.client.netnsInode);
      await meanwhile();
      const results = await applyRetunes(context, steps);
      return { steps, refusals, results, entries: context.entries };
    } finally {
      context.close();
    }
  }

  const option = (world: Opened, fd: number, name: 'SO_KEEPALIVE' | 'TCP_KEEPIDLE' | 'TCP_LINGER2') =>
    world.client.call('getOption', { fd, name });

  it('a descriptor that became another socket is another identity, and is left alone', async () => {
    await opened(2, async (world) => {
      const [fd, other] = world.fds;
      let reopened = -1;
      const { results } = await scene(world, KEEPALIVE, async () => {
        await world.client.call('abort', { fds: [fd] });
        const to = { address: world.serverAddress, port: PORT };
        reopened = (await world.client.call('connect', { to, limitMs: 5_000 })).fd;
      });
      expect(reopened).toBe(fd);
      expect(results.map(({ outcome }) => outcome)).toEqual(['identity-changed', 'changed']);
      expect(results[0].because).toMatch(`descriptor ${fd} of process ${world.client.pid} is another socket now`);
      expect(await option(world, reopened, 'SO_KEEPALIVE')).toBe(0);
      expect(await option(world, other, 'SO_KEEPALIVE')).toBe(1);
    });
  });

  it('a socket that was closed is already gone, one whose process has ended is not held any more', async () => {
    await opened(2, async (world) => {
      const closed = await scene(world, KEEPALIVE, () => world.client.call('abort', { fds: [world.fds[0]] }));
      expect(closed.results.map(({ outcome }) => outcome)).toEqual(['already-gone', 'changed']);
    });
    await opened(2, async (world) => {
      const ended = await scene(world, KEEPALIVE, () => world.client.end());
      // The kernel still runs them down.
      for (const { outcome, because } of ended.results) {
        expect(['already-gone', 'unsupported']).toContain(outcome);
        if (outcome === 'unsupported') expect(because).toMatch(/no process holds it any more/);
      }
    });
  });

  it('options that the program has set itself meanwhile are left alone', async () => {
    await opened(2, async (world) => {
      const [fd, other] = world.fds;
      const { results } = await scene(world, KEEPALIVE, () =>
        world.client.call('setOption', { fd, name: 'TCP_KEEPIDLE', value: 77 }),
      );
      expect(results.map(({ outcome }) => outcome)).toEqual(['changed-meanwhile', 'changed']);
      expect([await option(world, fd, 'SO_KEEPALIVE'), await option(world, fd, 'TCP_KEEPIDLE')]).toEqual([0, 77]);
      expect(await option(world, other, 'TCP_KEEPIDLE')).toBe(20);
    });
  });

  it('one socket of several processes is changed once, and said once', async () => {
    await opened(1, async (world) => {
      const [fd] = world.fds;
      const { pid } = await world.client.call('shareWithChild', { fd, name: 'sharer' });
      const { results, entries } = await scene(world, KEEPALIVE);
      expect(results.map(({ outcome }) => outcome)).toEqual(['changed']);
      expect(results[0].step.target.owners.map((owner) => owner.pid).sort()).toEqual([world.client.pid, pid].sort());
      expect(entries.filter(({ phase }) => phase === 'begin').length).toBe(1);
      expect(await option(world, fd, 'SO_KEEPALIVE')).toBe(1);
    });
  });

  it('when one option is refused, those before it are put back', async () => {
    await opened(1, async (world) => {
      const [fd] = world.fds;
      let calls = 0;
      const faulty: Libc = {
        ...libc,
        setsockopt: (socket, level, number, value, length) => {
          calls++;
          return number === TCP_LINGER2 ? -1 : libc.setsockopt(socket, level, number, value, length);
        },
        errno: () => EPERM,
      };
      const wish = { ...KEEPALIVE, linger2Seconds: 9 };
      const { results } = await scene(world, wish, undefined, { libc: () => faulty });
      expect(results[0]).toMatchObject({ outcome: 'unsupported', because: expect.stringMatching(/LINGER2.*put back/) });
      // Four of keepalive, the refused one, and the four back.
      expect(calls).toBe(9);
      expect([await option(world, fd, 'SO_KEEPALIVE'), await option(world, fd, 'TCP_KEEPIDLE')]).toEqual([0, 7200]);
      expect(await option(world, fd, 'TCP_LINGER2')).toBe(60);
    });
  });

  it('the journal has the values read before, one entry for many sockets, before anything is set', async () => {
    await opened(20, async (world) => {
      const { entries, results } = await scene(world, KEEPALIVE);
      expect(results.every(({ outcome }) => outcome === 'changed')).toBe(true);
      expect(entries.map(({ phase }) => phase)).toEqual(['begin', 'end']);
      const { sets } = entries[0].data as { sets: { before: object; after: object; cookies: string[] }[] };
      expect(sets).toMatchObject([
        { before: { keepalive: false, keepaliveIdleSeconds: 7200 }, after: { keepalive: true } },
      ]);
      expect(sets[0].cookies.length).toBe(20);
    });
  });
});

describe.skipIf(skip)('sockets without a descriptor', { timeout: LIMIT_MS }, () => {
  beforeAll(ensureBuilt, 120_000);

  it.each([
    ['fin-wait-1-blackhole-orphan', 'state fin-wait-1', /orphan.*tcp_orphan_retries/],
    ['close-wait-unaccepted', 'state close-wait', /has not accepted it yet.*--listeners/],
    ['fin-wait-2-orphans-90', 'state fin-wait-2', /orphan.*tcp_fin_timeout/],
    ['time-wait-port-pressure', 'state time-wait', /stand-in.*60 s whatever/],
    ['syn-recv-pileup', 'state syn-recv', /half open.*--syn-count/],
  ])('%s: each is refused, with what helps instead', async (name, filter, said) => {
    await runScenario(name, { family: 4, actorFile: LAB_ACTOR }, async ({ observeIn }) => {
      const args = [...filter.split(' '), '--keepalive', '60', '--max', '100000', '--yes'];
      const [file, ...argv] = observeIn.enter([process.execPath, COMMAND, 'retune', ...args, '--json']);
      const { code, out, err } = await outcomeOf(start(file, argv));
      const { results, counts } = JSON.parse(out) as RetuneJson;
      expect([code, err, Object.keys(counts)]).toEqual([3, '', ['unsupported']]);
      expect(results.length).toBeGreaterThan(2);
      for (const { because, todo } of results) expect(`${because}; ${todo}`).toMatch(said);
    });
  });
});

describe.skipIf(skip || missingOtherUsers() !== undefined)('an ordinary user', { timeout: LIMIT_MS }, () => {
  const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  let folder: string;
  let program: Record<Language, readonly string[]>;
  beforeAll(() => {
    ensureBuilt();
    folder = mkdtempSync(path.join(tmpdir(), 'lastack-waiter-'));
    // That user is to start what lies in it.
    chmodSync(folder, 0o755);
    program = programs(folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The security module that lets a user trace only what it has started, where it is in force. */
  const yama = '/proc/sys/kernel/yama/ptrace_scope';
  const isTracingLimited = existsSync(yama) && readFileSync(yama, 'latin1').trim() !== '0';

  /** A journal where that user may write. */
  const env = () => ['env', `XDG_STATE_HOME=${folder}/nobody`];

  it('may not retune the sockets of others, and nothing is half done', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.Python);
      const args = ['dport', '=', `:${PORT}`, '--keepalive', '60', '--yes'];
      const denied = await scene.retune(args, [...AS_NOBODY, ...env()]);
      expect([denied.code, denied.document.counts]).toEqual([3, { 'not-permitted': 1 }]);
      expect(denied.document.results[0].todo).toMatch(/root or with CAP_SYS_PTRACE/);
      for (const more of [[], ['--follow']]) {
        const argv = ['retune', '--pid', String(waiter.pid), '--keepalive', '60', '--yes', ...more];
        const named = await scene.lastack(argv, [...AS_NOBODY, ...env()]);
        expectNoStack(named);
        expect([named.code, named.err]).toEqual([3, expect.stringMatching(/^lastack: [^\n]*CAP_SYS_PTRACE\n/)]);
      }
      expect(await waiter.options()).toMatchObject({ keepalive: 0 });
      expect(existsSync(`${folder}/nobody`)).toBe(false);
    });
  });

  it('is told when a program of its own forbids to be traced; root may all the same', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C, { args: ['nodump'], prefix: AS_NOBODY });
      const args = [`pid:${waiter.pid}`, '--keepalive', '60', '--yes'];
      const own = await scene.lastack(['retune', ...args], [...AS_NOBODY, ...env()]);
      expect([own.code, own.err]).toEqual([3, expect.stringMatching(/permission denied; run as root/)]);
      expect(await waiter.options()).toMatchObject({ keepalive: 0 });
      const root = await scene.retune(args);
      expect([root.code, root.document.counts]).toEqual([0, { changed: 1 }]);
      expect(await waiter.options()).toMatchObject({ keepalive: 1 });
    });
  });

  it.skipIf(isTracingLimited)('may retune what its own programs hold, with a journal of its own', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C, { prefix: AS_NOBODY });
      const state = mkdtempSync(path.join(tmpdir(), 'lastack-nobody-'));
      try {
        const prefix = ['chown', '65534', state];
        await outcomeOf(start(prefix[0], prefix.slice(1)));
        const asUser = [...AS_NOBODY, 'env', `XDG_STATE_HOME=${state}`];
        const args = ['dport', '=', `:${PORT}`, '--keepalive', '60', '--yes'];
        const { code, document } = await scene.retune(args, asUser);
        expect([code, document.counts]).toEqual([0, { changed: 1 }]);
        expect(await waiter.options()).toMatchObject({ keepalive: 1, idle: 60 });
        const undone = await scene.lastack(['undo', '--yes'], asUser);
        expect(undone.code).toBe(0);
        expect(await waiter.options()).toMatchObject({ keepalive: 0, idle: 7200 });
      } finally {
        rmSync(state, { recursive: true, force: true });
      }
    });
  });
});
