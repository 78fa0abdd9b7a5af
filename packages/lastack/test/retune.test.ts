import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RetuneJson } from '../src/report/retune_json.ts';
import { Scene } from './retune/scene.ts';
import { LANGUAGES, type Language, programs, type Waiter } from './retune/waiter.ts';
import { ensureBuilt } from './support/command.ts';
import { eventually } from './support/eventually.ts';
import { missingNamespaces } from './support/privileged.ts';

const LIMIT_MS = 90_000;
/** The machine may be busy: for the sending of a segment, and for the program to be woken. */
const SLACK_MS = 1_500;

const DEFAULTS = { keepalive: 0, idle: 7200, interval: 75, probes: 9, linger2: 60, userTimeoutMs: 0, synCount: 6 };

describe.skipIf(missingNamespaces() !== undefined)('lastack retune', { timeout: LIMIT_MS }, () => {
  let folder: string;
  let program: Record<Language, readonly string[]>;
  beforeAll(() => {
    ensureBuilt();
    folder = mkdtempSync(path.join(tmpdir(), 'lastack-waiter-'));
    program = programs(folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /**
   * The forecast of the only result, in milliseconds of the wall clock. It counts from when the option is set, which is
   * after the sockets were read and before the command has ended.
   */
  function expected({ at, results }: RetuneJson, endedMs: number): { fromMs: number; toMs: number } {
    const { earliestMs, latestMs } = results[0].forecast!.after;
    return { fromMs: Date.parse(at) + earliestMs! - SLACK_MS, toMs: endedMs + latestMs! + SLACK_MS };
  }

  /** Call it at once when the command has ended. @returns when it had to be over */
  async function expectEnd(waiter: Waiter, document: RetuneJson): Promise<number> {
    const { fromMs, toMs } = expected(document, Date.now());
    const end = await Promise.race([waiter.ended, sleep(toMs - Date.now() + 10_000)]);
    expect(end).toMatchObject({ error: 'ETIMEDOUT' });
    expect(end!.atMs).toBeGreaterThan(fromMs);
    expect(end!.atMs).toBeLessThan(toMs);
    return toMs;
  }

  describe.each([4, 6] as const)('IPv%i: a program that never asked for keepalive and loses its peer', (family) => {
    it.each(LANGUAGES)('in %s learns so in the forecast time, and without it never', async (language) => {
      await Scene.run(family, async (scene) => {
        const [helped, alone] = [await scene.waiter(program[language]), await scene.waiter(program[language])];
        await scene.world.cut?.('both');
        const { code, document } = await scene.retune([`pid:${helped.pid}`, '--keepalive', '3/1/2', '--yes']);
        const over = expectEnd(helped, document);
        expect([code, document.counts]).toEqual([0, { changed: 1 }]);
        expect(document.results[0]).toMatchObject({
          socket: { local: { port: helped.port }, owners: [{ pid: helped.pid, fd: helped.fd }] },
          options: { before: { keepalive: false }, after: { keepalive: true, keepaliveIdleSeconds: 3 } },
          forecast: { before: { kind: 'never' }, after: { kind: 'when' } },
        });
        expect(await scene.ss(helped)).toMatch(/timer:\(keepalive,/);
        if (language !== 'Node')
          expect(await helped.options()).toEqual({ ...DEFAULTS, keepalive: 1, idle: 3, interval: 1, probes: 2 });
        await sleep((await over) - Date.now());
        // As long again: nothing has told the other one.
        await sleep(6_000);
        const line = await scene.ss(alone);
        expect(line).toMatch(/^ESTAB/);
        expect(line).not.toContain('timer:');
      });
    });
  });

  it('sets a keepalive that runs for two hours yet anew, by how long the peer has been quiet', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.Python, { args: ['keepalive'] });
      await scene.world.cut?.('both');
      expect(await scene.ss(waiter)).toMatch(/timer:\(keepalive,1\d\dmin,0\)/);
      await sleep(5_000);
      const { document } = await scene.retune([`pid:${waiter.pid}`, '--keepalive', '6/1/2', '--yes']);
      await expectEnd(waiter, document);
      // 6 s of quiet, of which 5 have passed, and two probes.
      expect(document.results[0].forecast?.after.earliestMs).toBeLessThan(3_100);
    });
  });

  it('limits data in flight by --user-timeout, and says that keepalive does not', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C);
      await scene.world.cut?.('both');
      await waiter.ask('send');
      await eventually(
        () => scene.ss(waiter),
        (line) => /timer:\(on,[^,]*,[2-9]\)/.test(line),
      );
      const args = [`pid:${waiter.pid}`, '--keepalive', '1/1/1', '--user-timeout', '5s', '--yes'];
      const { code, document } = await scene.retune(args);
      expect([code, document.counts]).toEqual([0, { changed: 1 }]);
      const over = expectEnd(waiter, document);
      const { forecast, limits } = document.results[0];
      expect(forecast?.before).toMatchObject({ kind: 'at' });
      expect(forecast!.before.earliestMs).toBeGreaterThan(800_000);
      expect(limits!.join()).toMatch(/keepalive stands back/);
      expect(limits!.join()).toMatch(/is not shortened: the user timeout/);
      expect((await waiter.options()).userTimeoutMs).toBe(5_000);
      await over;
    });
  });

  it('does nothing on an idle connection by --user-timeout alone, and says so', async () => {
    await Scene.run(6, async (scene) => {
      const waiter = await scene.waiter(program.Python);
      await scene.world.cut?.('both');
      const { code, document } = await scene.retune([`pid:${waiter.pid}`, '--user-timeout', '500ms', '--yes']);
      expect(code).toBe(0);
      expect(document.results[0].forecast).toMatchObject({ before: { kind: 'never' }, after: { kind: 'never' } });
      expect(document.results[0].limits!.join()).toMatch(/nothing while the connection is idle/);
      await sleep(4_000);
      expect(await scene.ss(waiter)).toMatch(/^ESTAB/);
      expect((await waiter.options()).userTimeoutMs).toBe(500);
    });
  });

  async function halfClosed(scene: Scene, waiter: Waiter): Promise<void> {
    await waiter.ask('half');
    await eventually(
      () => scene.ss(waiter),
      (line) => line.startsWith('FIN-WAIT-2'),
    );
  }

  it('makes FIN_WAIT2 last --linger2 once the program closes', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C);
      await halfClosed(scene, waiter);
      const { code, document } = await scene.retune([`pid:${waiter.pid}`, '--linger2', '5', '--yes']);
      expect([code, (await waiter.options()).linger2]).toEqual([0, 5]);
      expect(document.results[0].forecast).toMatchObject({ before: { kind: 'never' }, after: { kind: 'never' } });
      expect(document.results[0].limits!.join()).toMatch(/only once the program closes: FIN_WAIT2 then lasts 5 s/);
      const closedMs = Date.now();
      await waiter.ask('close');
      expect(await scene.ss(waiter)).toMatch(/^FIN-WAIT-2.*timer:\(timewait,[1-5]/);
      await eventually(
        () => scene.ss(waiter),
        (line) => line === '',
      );
      expect(Date.now() - closedMs).toBeGreaterThan(4_900);
      expect(Date.now() - closedMs).toBeLessThan(5_000 * 1.125 + 3 * SLACK_MS);
    });
  });

  it('drops the connection instead of FIN_WAIT2 with --linger2 -1: the peer gets a reset', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C);
      await halfClosed(scene, waiter);
      const { code } = await scene.retune([`pid:${waiter.pid}`, '--linger2', '-1', '--yes']);
      expect([code, (await waiter.options()).linger2]).toEqual([0, -1]);
      await waiter.ask('close');
      expect(await scene.ss(waiter)).toBe('');
      await eventually(
        () => scene.world.server.call('pendingError', { fd: waiter.serverFd }),
        (errno) => errno === 104 || errno === 32,
      );
    });
  });

  it('names sockets by a filter, a port, a cookie or a descriptor, and sets what differs only', async () => {
    await Scene.run(4, async (scene) => {
      const [one, other] = [await scene.waiter(program.C), await scene.waiter(program.C)];
      const cookieOf = async (waiter: Waiter) => {
        const { stdout } = await scene.world.client.run('ss', ['-Htanie', `sport = :${waiter.port}`]);
        return / sk:([0-9a-f]+)/.exec(stdout)![1];
      };
      const changedBy = async (...args: string[]) => (await scene.retune([...args, '--yes'])).document.counts;
      expect(await changedBy(`pid:${one.pid} fd:${one.fd}`, '--keepalive', '60')).toEqual({ changed: 1 });
      expect(await one.options()).toEqual({ ...DEFAULTS, keepalive: 1, idle: 60 });
      expect(await other.options()).toEqual(DEFAULTS);
      expect(await changedBy(`cookie:${await cookieOf(other)}`, '--keepalive', '60')).toEqual({ changed: 1 });
      const both = ['sport', '=', `:${one.port}`, 'or', 'sport', '=', `:${other.port}`];
      expect(await changedBy(...both, '--keepalive', '60')).toEqual({ 'already-so': 2 });
      expect(await changedBy(`:${other.port}`, '--keepalive', '60', '--syn-count', '3')).toEqual({ changed: 1 });
      expect(await other.options()).toEqual({ ...DEFAULTS, keepalive: 1, idle: 60, synCount: 3 });
      expect(await changedBy('--pid', String(one.pid), '--no-keepalive')).toEqual({ changed: 1 });
      expect(await one.options()).toEqual({ ...DEFAULTS, idle: 60 });
      expect(await changedBy('state', 'established', '--pid', String(one.pid), '--linger2', '0')).toEqual({
        'already-so': 1,
      });
    });
  });

  it('shows the plan and changes nothing with --dry-run, without --yes, and above --max', async () => {
    await Scene.run(4, async (scene) => {
      const waiters = [await scene.waiter(program.C), await scene.waiter(program.C)];
      const filter = ['dport', '=', ':8080', '--keepalive', '5/1/3'];
      const text = await scene.lastack(['retune', ...filter, '--dry-run']);
      expect(text.code).toBe(0);
      expect(text.out).toMatch(/keepalive +off → 5\/1\/3/);
      expect(text.out).toMatch(/never by itself → no fixed time; in \d+(\.\d)? s to/);
      const dry = await scene.retune([...filter, '--dry-run']);
      expect([dry.code, dry.document]).toMatchObject([0, { dryRun: true, counts: { planned: 2 }, entries: [] }]);
      const unasked = await scene.lastack(['retune', ...filter]);
      expect([unasked.code, unasked.err]).toEqual([2, expect.stringMatching(/^lastack: 2 sockets would be .*--yes/)]);
      const many = await scene.lastack(['retune', ...filter, '--yes', '--max', '1']);
      expect([many.code, many.err]).toEqual([2, expect.stringMatching(/^lastack: 2 sockets match, .*--max 2\n$/)]);
      for (const waiter of waiters) expect(await waiter.options()).toEqual(DEFAULTS);
    });
  });

  it('leaves listeners alone unless they are named; what these accept later inherits the options', async () => {
    await Scene.run(4, async (scene) => {
      await scene.waiter(program.C);
      const inServer = ['--pid', String(scene.world.server.pid), '--keepalive', '30/5/4', '--yes'];
      const first = await scene.retune(inServer);
      expect([first.code, first.document.counts]).toEqual([0, { changed: 1, guarded: 1 }]);
      const [listeners] = [await scene.retune([...inServer, '--listeners'])];
      expect([listeners.code, listeners.document.counts]).toEqual([0, { changed: 1, 'already-so': 1 }]);
      const listener = listeners.document.results.find(({ outcome }) => outcome === 'changed');
      expect([listener?.socket.state, listener?.limits?.join()]).toEqual(['LISTEN', expect.stringMatching(/inherits/)]);
      const { serverFd: fd } = await scene.waiter(program.C);
      expect(await scene.world.server.call('getOption', { fd, name: 'SO_KEEPALIVE' })).toBe(1);
      expect(await scene.world.server.call('getOption', { fd, name: 'TCP_KEEPIDLE' })).toBe(30);
      // A filter that can match nothing else names them as well.
      const named = await scene.retune(['state', 'listening', ...inServer, '--user-timeout', '9s']);
      expect([named.code, named.document.counts]).toEqual([0, { changed: 1 }]);
    });
  });

  it('is taken back by undo, but not where someone else has changed the option since', async () => {
    await Scene.run(4, async (scene) => {
      const [one, other] = [await scene.waiter(program.C), await scene.waiter(program.C)];
      const filter = ['dport', '=', ':8080', '--yes'];
      const first = await scene.retune([...filter, '--keepalive', '50/5/5', '--user-timeout', '9s']);
      expect([first.code, first.document.counts]).toEqual([0, { changed: 2 }]);
      // On top of it, on one of them.
      const second = await scene.retune([`pid:${one.pid}`, '--yes', '--keepalive', '40/5/5']);
      expect(second.document.entries.length).toBe(1);
      const alone = await scene.lastack(['undo', String(first.document.entries[0]), '--yes']);
      expect([alone.code, alone.out]).toEqual([
        0,
        expect.stringMatching(/undone: put the options of 2 sockets back.*1 socket.*no longer what was set/s),
      ]);
      expect(await other.options()).toEqual(DEFAULTS);
      expect(await one.options()).toMatchObject({ keepalive: 1, idle: 40, userTimeoutMs: 9_000 });
      const rest = await scene.lastack(['undo', '--yes']);
      expect([rest.code, rest.out]).toEqual([0, expect.stringMatching(/^entry \d+ {2}undone: [^\n]*50/)]);
      expect(await one.options()).toMatchObject({ keepalive: 1, idle: 50 });
      const again = await scene.lastack(['undo', String(first.document.entries[0])]);
      expect([again.code, again.out]).toEqual([3, expect.stringMatching(/undone before/)]);
    });
  });

  it('is taken back also when the run was killed before it could say that it had ended', async () => {
    await Scene.run(4, async (scene) => {
      const [one, other] = [await scene.waiter(program.C), await scene.waiter(program.C)];
      const filter = ['dport', '=', ':8080', '--yes'];
      await scene.retune([...filter, '--keepalive', '50/5/5']);
      // As it stands after SIGKILL between the first socket and the second: begun, and not ended.
      const journal = path.join(scene.folder, 'lastack/journal.jsonl');
      const [begin] = readFileSync(journal, 'utf8').split('\n');
      await scene.retune([`pid:${other.pid}`, '--no-keepalive', '--yes']);
      writeFileSync(journal, `${begin}\n`);
      expect(await other.options()).toMatchObject({ keepalive: 0, idle: 50 });
      const { code, out, err } = await scene.lastack(['undo', '--yes']);
      expect([code, err]).toEqual([0, expect.stringMatching(/entry 1 was interrupted and may have been done/)]);
      expect(out).toMatch(/^entry 1 {2}undone: put the options of 2 sockets back/);
      expect(await one.options()).toEqual(DEFAULTS);
      expect(await other.options()).toMatchObject({ keepalive: 0, idle: 50 });
    });
  });

  it('is taken back as a whole, the latest first, and not once the sockets are gone', async () => {
    await Scene.run(4, async (scene) => {
      const waiter = await scene.waiter(program.C);
      const named = [`pid:${waiter.pid}`, '--yes'];
      for (const time of ['50/5/5', '40/4/4', '30/3/3']) await scene.retune([...named, '--keepalive', time]);
      expect(await waiter.options()).toMatchObject({ keepalive: 1, idle: 30, interval: 3, probes: 3 });
      const undone = await scene.lastack(['undo', '--yes']);
      expect([undone.code, undone.out.match(/undone/g)?.length]).toEqual([0, 3]);
      // The times are what they were; that they came from the namespace's settings the kernel does not say.
      expect(await waiter.options()).toEqual(DEFAULTS);
      const { document } = await scene.retune([...named, '--keepalive', '20']);
      await waiter.end();
      const late = await scene.lastack(['undo', String(document.entries[0]), '--yes']);
      expect([late.code, late.out]).toEqual([
        3,
        expect.stringMatching(/left: put .*(gone|not found|no process has a descriptor)/),
      ]);
    });
  });
});
