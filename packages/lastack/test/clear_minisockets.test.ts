import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type Note, parseFilter } from '@lastack/core';
import { KernelError } from '@lastack/kernel';
import { type Actor, Lab, pair, runScenario } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Exit, UserError } from '../src/effects.ts';
import { clearListed, clearWhileListing, type MinisocketRun } from '../src/engine/clear_minisockets.ts';
import { matchMinisockets } from '../src/engine/minisockets.ts';
import { closeNamespaces, type OpenNamespace, openNamespaces } from '../src/engine/observation.ts';
import type { Journal, JournalDraft } from '../src/journal/journal.ts';
import type { OutcomeJson } from '../src/report/outcome_json.ts';
import { counted, others, PORTS, timeWait, towards, withTimeWait } from './clear_means/time_wait.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, type Outcome, outcomeOf, start } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';

const LIMIT_MS = 60_000;
const [KEPT, CHOSEN] = PORTS;
const TO_CHOSEN = ['dport', '=', `:${CHOSEN}`];
const ALL = ['state', 'time-wait'];
const YES = ['--yes', '--max', '100000'];

type Entry = JournalDraft & { phase: string; id?: number; of?: number };

describe.skipIf(missingNamespaces() !== undefined)('TIME_WAIT ended by the thousand', { timeout: LIMIT_MS }, () => {
  let home: string;
  let program: WebAssembly.Module;

  beforeAll(() => {
    ensureBuilt();
    home = mkdtempSync(path.join(tmpdir(), 'lastack-time-wait-'));
    program = new WebAssembly.Module(readFileSync(new URL('../dist/pack_rows.wasm', import.meta.url)));
  }, 120_000);
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** The built command in the namespace of that process. */
  function clearIn(pid: number, args: readonly string[], state = home): Promise<Outcome> {
    const argv = ['-t', String(pid), '-n', '--', process.execPath, COMMAND, 'clear', ...args];
    return outcomeOf(start('nsenter', argv, { env: { ...process.env, XDG_STATE_HOME: state } }));
  }

  async function inLab(body: (lab: Lab) => Promise<void>): Promise<void> {
    const lab = new Lab({ actorFile: LAB_ACTOR });
    try {
      await body(lab);
    } finally {
      await lab.close();
    }
  }

  function inNamespace(
    each: number,
    body: (actor: Actor, before: string[]) => Promise<void>,
    families?: readonly (4 | 6)[],
  ): Promise<void> {
    return inLab(async (lab) => {
      const actor = await withTimeWait(lab, each, families);
      const before = await timeWait(actor);
      expect(before.length).toBe(2 * each * (families?.length ?? 1));
      await body(actor, before);
    });
  }

  interface World {
    run: MinisocketRun;
    opened: OpenNamespace[];
    /** What was journalled, in order. */
    entries: Entry[];
    notes: Note[];
  }

  /** What the command hands to the engine, for the namespaces of these actors, in this order. */
  async function inProcess<T>(
    actors: readonly Pick<Actor, 'netnsInode'>[],
    replaced: Partial<MinisocketRun> & { compiled?: boolean },
    body: (world: World) => Promise<T>,
  ): Promise<T> {
    const { compiled = true, ...rest } = replaced;
    const entries: Entry[] = [];
    const notes: Note[] = [];
    const effects = capturedEffects(['clear'], { compiled: () => (compiled ? program : undefined) });
    const opened = actors.flatMap(({ netnsInode }) => openNamespaces(effects, [netnsInode], notes));
    expect([opened.length, notes]).toEqual([actors.length, []]);
    const journal: Journal = {
      path: '',
      begin: (draft) => entries.push({ ...draft, phase: 'begin' }),
      end: (of, draft) => void entries.push({ ...draft, of, phase: 'end' }),
      undone: (of, draft) => void entries.push({ ...draft, of, phase: 'undone' }),
      read: () => ({ entries: [], damagedLines: 0 }),
    };
    const run: MinisocketRun = {
      effects,
      filter: parseFilter(ALL),
      limit: 100_000,
      journal: async () => journal,
      signal: new AbortController().signal,
      notes,
      progress: () => undefined,
      ...rest,
    };
    try {
      return await body({ run, opened, entries, notes });
    } finally {
      closeNamespaces(opened);
    }
  }

  describe('the command', () => {
    it.each([4, 6] as const)('ends exactly those that match, and then finds none (IPv%i)', async (family) => {
      const both = async (actor: Actor, before: string[]) => {
        const chosen = await clearIn(actor.pid, [...ALL, ...TO_CHOSEN, ...YES]);
        expect(chosen).toEqual({ code: 0, out: '10000 cleared\n', err: '' });
        const after = await timeWait(actor);
        expect(after).toEqual(towards(KEPT, before));
        expect(after.length).toBe(10_000);
        const again = await clearIn(actor.pid, [...ALL, ...TO_CHOSEN, ...YES]);
        expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('no socket matches') });
        expect(await timeWait(actor)).toEqual(after);
      };
      await inNamespace(10_000, both, [family]);
    });

    it('ends both families and nothing in another state, an orphan in FIN_WAIT2 included', async () => {
      await inLab(async (lab) => {
        const actor = await withTimeWait(lab, 1_000, [4, 6]);
        const at = { address: '127.0.0.1', port: 1_090 };
        const listener = await actor.call('listen', { at, backlog: 8 });
        const closed = await actor.call('connect', { to: at, limitMs: 5_000 });
        await actor.call('connect', { to: at, limitMs: 5_000 });
        await actor.call('acceptMany', { fd: listener.fd, count: 2, limitMs: 5_000 });
        await actor.call('close', { fds: [closed.fd] });
        const states = async () => (await others(actor)).map((line) => line.split(' ')[0]);
        // The acknowledgement of the FIN takes a moment.
        const settled = ['CLOSE-WAIT', 'ESTAB', 'ESTAB', 'FIN-WAIT-2', 'LISTEN'];
        await expect.poll(states, { timeout: 5_000 }).toEqual(settled);
        const bystanders = await others(actor);
        // The orphan is counted among them, but is not one.
        expect(counted(actor)).toBe(4_001);
        expect(await clearIn(actor.pid, [...ALL, ...YES])).toEqual({ code: 0, out: '4000 cleared\n', err: '' });
        expect([await timeWait(actor), await others(actor), counted(actor)]).toEqual([[], bystanders, 1]);
      });
    });

    it('with --json has each socket once, and has ended it', async () => {
      await inNamespace(
        1_500,
        async (actor, before) => {
          const { code, out, err } = await clearIn(actor.pid, [...ALL, ...TO_CHOSEN, ...YES, '--json']);
          const { counts, results, interrupted } = JSON.parse(out) as OutcomeJson;
          expect([code, err, counts, interrupted]).toEqual([0, '', { cleared: 3_000 }, false]);
          const ends = ({ address, port }: { address: string; port: number }) =>
            address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
          const said = results.map(({ socket }) => `${ends(socket.local)} ${ends(socket.remote)}`);
          expect(said.sort()).toEqual(towards(CHOSEN, before));
          expect(await timeWait(actor)).toEqual(towards(KEPT, before));
        },
        [4, 6],
      );
    });

    it('ends none with --dry-run, without --yes, or when there are more than --max', async () => {
      await inNamespace(1_000, async (actor, before) => {
        const plan = await clearIn(actor.pid, [...ALL, ...YES, '--dry-run']);
        expect([plan.code, plan.out]).toEqual([0, expect.stringContaining('plan: 2000 TIME_WAIT sockets by destroy')]);
        const json = await clearIn(actor.pid, [...ALL, ...YES, '--dry-run', '--json']);
        expect([json.code, JSON.parse(json.out).counts]).toEqual([0, { planned: 2_000 }]);
        const asked = await clearIn(actor.pid, [...ALL, '--max', '100000']);
        expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('--yes')]);
        for (const more of [[], ['--json']]) {
          const { code, out, err } = await clearIn(actor.pid, [...ALL, '--yes', '--max', '1999', ...more]);
          expect([code, out]).toEqual([2, '']);
          expect(err).toMatch(/^lastack: 2000 sockets match, .*--max 2000\n$/);
        }
        expect(await timeWait(actor)).toEqual(before);
      });
    });

    it('counts only those that match against --max', async () => {
      await inNamespace(1_000, async (actor, before) => {
        const { code, out } = await clearIn(actor.pid, [...ALL, ...TO_CHOSEN, '--yes', '--max', '1000']);
        expect([code, out]).toEqual([0, '1000 cleared\n']);
        expect(await timeWait(actor)).toEqual(towards(KEPT, before));
      });
    });

    it.each([
      // A second look, at the age or the holder.
      `age >= 0s dport = :${CHOSEN}`,
      `not pid 1 dport = :${CHOSEN}`,
      `( comm nobody or dport = :${CHOSEN} )`,
      // What only lastack can check.
      `recvq 0 dport = :${CHOSEN}`,
      `not orphan dport = :${CHOSEN}`,
    ])('ends the same where the kernel cannot check it all: %s', async (filter) => {
      await inNamespace(1_000, async (actor, before) => {
        const result = await clearIn(actor.pid, [...ALL, filter, ...YES]);
        expect(result).toEqual({ code: 0, out: '1000 cleared\n', err: '' });
        expect(await timeWait(actor)).toEqual(towards(KEPT, before));
      });
    });

    it.each(['age > 1h', 'pid 1', 'orphan', 'recvq gt 0'])('ends none where that matches none: %s', async (filter) => {
      await inNamespace(500, async (actor, before) => {
        expect(await clearIn(actor.pid, [...ALL, filter, ...YES])).toMatchObject({ code: 1, out: '' });
        expect(await timeWait(actor)).toEqual(before);
      });
    });

    it('ends what the doctor calls stuck, as ls lists it', async () => {
      await runScenario('time-wait-port-pressure', { family: 4, actorFile: LAB_ACTOR }, async ({ observeIn }) => {
        const before = await timeWait(observeIn);
        expect(before.length).toBeGreaterThan(100);
        const { code, out } = await clearIn(observeIn.pid, ['stuck', ...ALL, ...YES]);
        expect([code, out]).toEqual([0, expect.stringMatching(`^${before.length} cleared`)]);
        expect(await timeWait(observeIn)).toEqual([]);
      });
    });

    it('writes down what it does before it does it, and what came of it', async () => {
      const state = mkdtempSync(path.join(home, 'journal-'));
      await inNamespace(500, async (actor) => {
        expect((await clearIn(actor.pid, [...ALL, ...TO_CHOSEN, ...YES], state)).code).toBe(0);
      });
      const lines = readFileSync(path.join(state, 'lastack/journal.jsonl'), 'utf8').trim().split('\n');
      const [begin, end] = lines.map((line) => JSON.parse(line) as Entry);
      expect(lines.length).toBe(2);
      expect(begin).toMatchObject({ phase: 'begin', action: 'destroy' });
      expect(end).toMatchObject({ phase: 'end', of: begin.id, action: 'destroy', data: { cleared: 500 } });
    });

    it('ends none when the journal cannot be written', async () => {
      const file = path.join(home, 'a-file');
      writeFileSync(file, '');
      await inNamespace(5_000, async (actor, before) => {
        for (const more of [[], ['--json']]) {
          const { code, out, err } = await clearIn(actor.pid, [...ALL, ...YES, ...more], file);
          expect([code, out]).toEqual([Exit.NOT_POSSIBLE, '']);
          expect(err).toMatch(/^lastack: .*a-file.*\n$/);
        }
        expect(await timeWait(actor)).toEqual(before);
      });
    });

    it('interrupted, ends with 130 and says how many are gone', async () => {
      await inNamespace(30_000, async (actor) => {
        const argv = ['-t', String(actor.pid), '-n', '--', process.execPath, COMMAND, 'clear', ...ALL, ...YES];
        const child = start('nsenter', argv, { env: { ...process.env, XDG_STATE_HOME: home } });
        const ended = outcomeOf(child);
        while (counted(actor) === 60_000 && child.exitCode === null) await new Promise(setImmediate);
        child.kill('SIGINT');
        const { code, out, err } = await ended;
        const left = counted(actor);
        // The signal may come when all is sent.
        expect([0, 130]).toContain(code);
        expect(err).toBe('');
        expect(out).toBe(left > 0 ? `${60_000 - left} cleared, ${left} still-stuck\n` : '60000 cleared\n');
      });
    });
  });

  describe.each([
    ['with', true],
    ['without', false],
  ])('%s the compiled program', (_, compiled) => {
    it('ends exactly those that match', async () => {
      const filter = parseFilter([...ALL, ...TO_CHOSEN]);
      await inNamespace(
        5_000,
        (actor, before) =>
          inProcess([actor], { compiled, filter }, async ({ run, opened, entries, notes }) => {
            expect(await clearWhileListing(run, opened)).toEqual([{ cleared: 10_000, left: 0 }]);
            expect(await timeWait(actor)).toEqual(towards(KEPT, before));
            expect(notes).toEqual([]);
            expect(entries).toMatchObject([
              { phase: 'begin', action: 'destroy' },
              { phase: 'end', of: 1, data: { cleared: 10_000 } },
            ]);
          }),
        [4, 6],
      );
    });

    it('ends no more than are allowed when more have come, and says so', async () => {
      await inNamespace(1_500, (actor) =>
        inProcess([actor], { compiled, limit: 500 }, async ({ run, opened, entries, notes }) => {
          const [result] = await clearWhileListing(run, opened);
          expect(counted(actor)).toBe(2_500);
          expect((await timeWait(actor)).length).toBe(2_500);
          expect(result).toEqual({ cleared: 500, left: 2_500 });
          expect(notes).toMatchObject([{ incomplete: true, because: expect.stringContaining('--max 500') }]);
          expect(entries.at(-1)).toMatchObject({ phase: 'end', data: { cleared: 500 } });
        }),
      );
    });

    it('counts the limit over all namespaces', async () => {
      await inLab(async (lab) => {
        const actors = [await withTimeWait(lab, 500), await withTimeWait(lab, 500), await withTimeWait(lab, 500)];
        await inProcess(actors, { compiled, limit: 1_200 }, async ({ run, opened, notes }) => {
          const results = await clearWhileListing(run, opened);
          expect(actors.map(counted)).toEqual([0, 800, 1_000]);
          expect(results).toEqual([
            { cleared: 1_000, left: 0 },
            { cleared: 200, left: 800 },
            { cleared: 0, left: 1_000 },
          ]);
          expect(notes.filter(({ incomplete }) => incomplete).length).toBe(2);
        });
      });
    });

    it('interrupted, leaves what was not sent, and is honest about it', async () => {
      const controller = new AbortController();
      const progress = () => controller.abort();
      await inNamespace(20_000, (actor) =>
        inProcess([actor], { compiled, signal: controller.signal, progress }, async ({ run, opened, entries }) => {
          const [{ cleared, left }] = await clearWhileListing(run, opened);
          const there = (await timeWait(actor)).length;
          expect(there).toBeGreaterThan(0);
          expect(there).toBeLessThan(40_000);
          expect({ cleared, left }).toEqual({ cleared: 40_000 - there, left: there });
          expect(entries).toMatchObject([{ phase: 'begin' }, { phase: 'end', of: 1, data: { cleared } }]);
        }),
      );
    });

    it.each(['a send', 'the list'])('tells what was done before %s failed', async (what) => {
      await inNamespace(10_000, (actor) =>
        inProcess([actor], { compiled }, async ({ run, opened, entries, notes }) => {
          const [open] = opened;
          const { diag, diagAside } = open;
          let calls = 0;
          const third = <T>(call: () => Promise<T>): Promise<T> =>
            ++calls === 3 ? Promise.reject(new KernelError('this once', 12)) : call();
          const sendAside = (bytes: Uint8Array) => third(() => diagAside.sendAside?.(bytes) ?? Promise.resolve());
          const receive = (buffers: readonly Uint8Array[]) => third(() => diag.receive(buffers));
          if (what === 'a send') Object.assign(open, { diagAside: { ...diagAside, sendAside } });
          else Object.assign(open, { diag: { ...diag, receive } });
          const [{ cleared, left }] = await clearWhileListing(run, opened);
          expect([cleared, left]).toEqual([20_000 - counted(actor), counted(actor)]);
          expect([cleared > 0, left > 0]).toEqual([true, true]);
          expect(notes).toMatchObject([{ incomplete: true, because: expect.stringContaining('ENOMEM') }]);
          expect(entries).toMatchObject([{ phase: 'begin' }, { phase: 'end', of: 1, data: { cleared } }]);
        }),
      );
    });

    it('tells of the namespaces before one that cannot be listed', async () => {
      await inLab(async (lab) => {
        const actors = [await withTimeWait(lab, 500), await withTimeWait(lab, 500), await withTimeWait(lab, 500)];
        await inProcess(actors, { compiled }, async ({ run, opened, notes }) => {
          const receive = () => Promise.reject(new KernelError('never', 12));
          Object.assign(opened[1], { diag: { ...opened[1].diag, receive } });
          const results = await clearWhileListing(run, opened);
          expect(results).toEqual([
            { cleared: 1_000, left: 0 },
            { cleared: 1_000, left: 0 },
          ]);
          expect(actors.map(counted)).toEqual([0, 1_000, 0]);
          expect(notes).toMatchObject([{ incomplete: true, because: expect.stringContaining('ENOMEM') }]);
          await expect(clearWhileListing(run, opened.slice(1, 2))).rejects.toThrow('ENOMEM');
        });
      });
    });

    it('interrupted before it began, ends none', async () => {
      const signal = AbortSignal.abort();
      await inNamespace(500, (actor, before) =>
        inProcess([actor], { compiled, signal }, async ({ run, opened, entries }) => {
          expect(await clearWhileListing(run, opened)).toEqual([]);
          expect([await timeWait(actor), entries]).toEqual([before, []]);
        }),
      );
    });

    it.each(['cannot be opened', 'cannot be opened, after a while', 'cannot be written'])(
      'ends none when the journal %s',
      async (how) => {
        const failure = new UserError('no journal');
        const journal = async () => {
          if (how === 'cannot be opened') throw failure;
          if (how !== 'cannot be written') {
            await new Promise((resolve) => setTimeout(resolve, 100));
            throw failure;
          }
          const begin = () => {
            throw failure;
          };
          return { begin } as unknown as Journal;
        };
        await inNamespace(5_000, async (actor, before) => {
          await inProcess([actor], { compiled, journal }, async ({ run, opened }) => {
            await expect(clearWhileListing(run, opened)).rejects.toBe(failure);
          });
          await inProcess([actor], { compiled, journal }, async ({ run, opened, notes }) => {
            const matches = await matchMinisockets(run.effects, opened, run.filter, notes);
            await expect(clearListed(run, matches)).rejects.toBe(failure);
          });
          expect(await timeWait(actor)).toEqual(before);
        });
      },
    );

    it('does not open the journal where nothing matches', async () => {
      const filter = parseFilter([...ALL, 'dport', '=', ':9']);
      const journal = () => Promise.reject(new Error('asked for'));
      await inNamespace(500, (actor, before) =>
        inProcess([actor], { compiled, filter, journal }, async ({ run, opened }) => {
          expect(await clearWhileListing(run, opened)).toEqual([]);
          expect(await timeWait(actor)).toEqual(before);
        }),
      );
    });

    it('listed first: ends these, and none that came later', async () => {
      await inLab(async (lab) => {
        const world = await pair(lab, 4);
        const [actor, to] = [world.client, { address: world.clientAddress, port: 1_081 }];
        const leave = (firstPort: number) =>
          actor.call('bulkTimeWait', { to, count: 1_000, sources: [to.address], firstPort, lastPort: 61_999 });
        await leave(2_000);
        await inProcess([actor], { compiled }, async ({ run, opened, notes }) => {
          const matches = await matchMinisockets(run.effects, opened, run.filter, notes);
          const listed = await timeWait(actor);
          await leave(10_000);
          const later = (await timeWait(actor)).filter((socket) => !listed.includes(socket));
          expect([listed.length, later.length]).toEqual([1_000, 1_000]);
          expect(await clearListed(run, matches)).toMatchObject([{ cleared: 1_000, left: 0 }]);
          expect(await timeWait(actor)).toEqual(later);
        });
      });
    });
  });

  describe('where the kernel skips many, as those before them in its list have ended', () => {
    const COUNT = 10_000;
    /** All in one bucket of the hash table. */
    const crowded = (replaced: Partial<MinisocketRun>, body: (world: World, left: () => number) => Promise<void>) =>
      withScript('crowded.py', [COUNT], ONE_BUCKET, async ({ pid = 0 }) => {
        expect(counted({ pid })).toBe(COUNT);
        const actor = { netnsInode: statSync(`/proc/${pid}/ns/net`).ino };
        await inProcess([actor], replaced, (world) => body(world, () => counted({ pid })));
      });

    it('ends these, too', () =>
      crowded({}, async ({ run, opened, notes }, left) => {
        expect(await clearWhileListing(run, opened)).toEqual([{ cleared: COUNT, left: 0 }]);
        expect([left(), notes]).toEqual([0, []]);
      }));

    it('counts these, too, when more have come than are allowed', () =>
      crowded({ limit: 4_000 }, async ({ run, opened, notes }, left) => {
        expect(await clearWhileListing(run, opened)).toEqual([{ cleared: 4_000, left: 6_000 }]);
        expect(left()).toBe(6_000);
        expect(notes).toMatchObject([{ what: expect.stringMatching(/^6000 sockets .*not ended$/), incomplete: true }]);
      }));

    it('counts these, too, when interrupted', () => {
      const controller = new AbortController();
      const progress = () => controller.abort();
      return crowded({ signal: controller.signal, progress }, async ({ run, opened }, left) => {
        const results = await clearWhileListing(run, opened);
        expect(left()).toBeGreaterThan(0);
        expect(results).toEqual([{ cleared: COUNT - left(), left: left() }]);
      });
    });
  });

  it('never hits a connection that took over the addresses', { retry: 0 }, async () => {
    const RUNS = 40;
    const said = await withScript('reuse.py', [], '', async ({ pid = 0 }) => {
      const codes = new Set<number | null>();
      let cleared = 0;
      for (let run = 0; run < RUNS; run++) {
        const { code, out } = await clearIn(pid, [...ALL, ...YES]);
        codes.add(code);
        cleared += Number(/^(\d+) cleared/.exec(out)?.[1] ?? 0);
      }
      expect(codes).toContain(0);
      for (const code of codes) expect([0, 1, 4]).toContain(code);
      expect(cleared).toBeGreaterThan(RUNS * 50);
    });
    const report = JSON.parse(said) as ReuseReport;
    expect(report.victims).toEqual([]);
    expect(report.reused.server).toBeGreaterThan(5_000);
    expect(report.reused.client).toBeGreaterThan(500);
  });
});

interface ReuseReport {
  opened: number;
  reused: { server: number; client: number };
  /** The pairs that something else ended. */
  victims: string[];
}

/** A namespace made in this one has a hash table of its own, with one bucket. */
const ONE_BUCKET = 'echo 1 > /proc/sys/net/ipv4/tcp_child_ehash_entries && ';

/** One of the programs beside, in a namespace of its own. @returns what it says once this is done */
async function withScript(
  name: string,
  args: readonly number[],
  before: string,
  body: (child: ChildProcess) => Promise<void>,
): Promise<string> {
  const script = path.join(import.meta.dirname, 'clear_means', name);
  const shell = `${before}exec unshare --net python3 "$@"`;
  const argv = ['--net', 'sh', '-c', shell, 'sh', script, ...args.map(String)];
  const child = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('ready');
    await body(child);
    child.stdin?.end();
    return (await lines.next()).value;
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}
