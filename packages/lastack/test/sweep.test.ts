import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClearTarget, type Row, TcpState, targetOf } from '@lastack/core';
import { type Actor, runScenario } from '@lastack/lab';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Effects } from '../src/effects.ts';
import { applyContext } from '../src/engine/apply_context.ts';
import { closeNamespaces, type Observation, observe } from '../src/engine/observation.ts';
import { openJournal } from '../src/journal/open.ts';
import { recover } from '../src/journal/recover.ts';
import type { ApplyContext } from '../src/remedies/remedy.ts';
import { sweepOrphans } from '../src/remedies/sweep-orphans/mod.ts';
import { otherOrphans } from '../src/remedies/sweep-orphans/reach.ts';
import { bundleJournalRunner } from './support/bundle.ts';
import { ensureBuilt, LAB_ACTOR, outcomeOf, start } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const SKIP = missingNamespaces() !== undefined;
const LIMIT_MS = 90_000;
/** Below /proc/sys/net, as the lab names it. */
const SETTING = 'ipv4/tcp_orphan_retries';
const ABILITIES = { refusals: {}, destroyBreaksOrphans: false };

let home: string;
let runner: string;

beforeAll(async () => {
  await ensureBuilt();
  runner = await bundleJournalRunner();
}, 120_000);
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'lastack-sweep-'));
});
afterEach(() => rmSync(home, { recursive: true }));

interface Sweep {
  actor: Actor;
  effects: Effects;
  context: ApplyContext;
  targets: ClearTarget[];
  observation: Observation;
  controller: AbortController;
  /** As the namespace's own process reads it. */
  value(): Promise<string>;
}

/** Orphans in FIN_WAIT1 whose peer is silent, and all that a sweep of them needs. */
async function withOrphans(family: 4 | 6, body: (sweep: Sweep) => Promise<void>, waitMs = 0): Promise<void> {
  await runScenario('fin-wait-1-blackhole-orphan', { family, actorFile: LAB_ACTOR }, async ({ observeIn: actor }) => {
    await sleep(waitMs);
    const effects = capturedEffects([], { env: { XDG_STATE_HOME: home } });
    const observation = await observe(effects, [actor.netnsInode]);
    try {
      const [namespace] = observation.namespaces;
      const rows = Array.from({ length: namespace.table.count }, (_, row): Row => row);
      const targets = rows.map((row) => targetOf(namespace, row, [])).filter(({ kind }) => kind === 'orphan');
      const controller = new AbortController();
      const context = applyContext(effects, observation, openJournal(effects), controller.signal, () => undefined);
      const value = async () => (await actor.call('getSysctl', { name: SETTING })).trim();
      await body({ actor, effects, context, targets, observation, controller, value });
    } finally {
      closeNamespaces(observation.namespaces);
    }
  });
}

async function statesInSs(actor: Actor): Promise<string[]> {
  return [...(await ss(actor)).values()].map(({ state }) => state);
}

describe('sweep-orphans, before anything is done', () => {
  const target: ClearTarget = {
    namespaceInode: 1,
    namespaceLabel: 'host',
    family: 4,
    state: TcpState.FIN_WAIT1,
    kind: 'orphan',
    local: { address: '10.0.0.1', port: 80 },
    remote: { address: '10.0.0.2', port: 4000 },
    cookie: 7n,
    interfaceIndex: 0,
    inode: 0,
    uid: 0,
    receiveQueueBytes: 0,
    sendQueueBytes: 501,
    owners: [],
  };

  it.each<[string, Partial<ClearTarget>, RegExp | undefined]>([
    ['an orphan', {}, undefined],
    ['an orphan in LAST_ACK', { state: TcpState.LAST_ACK }, undefined],
    ['an orphan in CLOSING', { state: TcpState.CLOSING }, undefined],
    ['a held socket', { kind: 'full', inode: 5 }, /a program holds it/],
    ['an orphan in FIN_WAIT2', { state: TcpState.FIN_WAIT2 }, /does not govern FIN_WAIT2/],
    ['TIME_WAIT', { kind: 'minisocket', state: TcpState.TIME_WAIT }, /no orphan/],
  ])('takes or refuses %s', (_name, overrides, expected) => {
    const refusal = sweepOrphans.refuse({ ...target, ...overrides }, ABILITIES);
    if (expected) expect(refusal).toMatchObject({ outcome: 'unsupported', because: expect.stringMatching(expected) });
    else expect(refusal).toBeUndefined();
  });

  it('says that every orphan of the namespace is affected, and what is lost', () => {
    expect(sweepOrphans.preview(target)).toEqual({
      peerSees: 'nothing',
      lostBytes: 500,
      remains: expect.stringMatching(/every other orphan of host in FIN_WAIT1, CLOSING or LAST_ACK .* data not yet/),
    });
  });

  it.skipIf(SKIP)('is not permitted where /proc/sys is read-only', async () => {
    const { out, err } = await outcomeOf(start('unshare', ['--mount', process.execPath, runner, 'read-only']));
    expect(err).toBe('');
    expect(JSON.parse(out)).toMatchObject({ outcome: 'not-permitted', because: expect.stringMatching(/is read-only/) });
    expect(await sweepOrphans.probe?.(capturedEffects([]))).toBeUndefined();
    expect(await sweepOrphans.probe?.(capturedEffects([], { procRoot: home }))).toMatchObject({
      outcome: 'unsupported',
    });
  });
});

describe.skipIf(SKIP)('sweep-orphans in a namespace of its own', () => {
  it.each([4, 6] as const)(
    'ends the orphans and puts the old value back (IPv%i)',
    async (family) => {
      await withOrphans(family, async ({ actor, context, targets, observation, value }) => {
        expect(targets).toHaveLength(6);
        await actor.call('setSysctl', { values: { [SETTING]: 7 } });
        const named = targets.slice(0, 4);
        expect(otherOrphans(observation.namespaces[0].table, new Set(named.map(({ cookie }) => cookie)))).toBe(2);
        const attempts = await sweepOrphans.apply(context, named);
        const remains = expect.stringMatching(/^2 other orphans of .* had to pass the same setting/);
        expect(attempts).toEqual(named.map(() => ({ outcome: 'applied', remains })));
        const left = new Set([...(await ss(actor)).values()].map(({ cookie }) => cookie));
        for (const { cookie } of named) expect(left).not.toContain(cookie.toString(16));
        expect(await value()).toBe('7');
        const [begin, end, ...more] = context.journal.read().entries;
        expect(more).toEqual([]);
        expect(begin).toMatchObject({
          phase: 'begin',
          data: { name: `net/${SETTING}`, before: '7', after: '1', count: 4 },
        });
        expect(end).toMatchObject({ phase: 'end', of: begin.id, summary: expect.stringMatching(/back at 7$/) });
        // Looked for again, they are gone; and nothing was changed for that.
        expect(await sweepOrphans.apply(context, named)).toEqual(named.map(() => ({ outcome: 'already-gone' })));
        expect(context.journal.read().entries).toHaveLength(2);
      });
    },
    LIMIT_MS,
  );

  it(
    'puts the old value back when interrupted, and when something fails on the way',
    async () => {
      await withOrphans(
        4,
        async ({ context, targets, controller, value, actor }) => {
          const broken = { ...context, progress: failing };
          await expect(sweepOrphans.apply(broken, targets)).rejects.toThrow('on purpose');
          expect(await value()).toBe('0');
          setTimeout(() => controller.abort(), 100);
          const attempts = await sweepOrphans.apply(context, targets);
          expect(attempts.map((attempt) => attempt?.outcome)).toEqual(targets.map(() => 'applied'));
          expect(await value()).toBe('0');
          expect(context.journal.read().entries.map(({ phase }) => phase)).toEqual(['begin', 'end', 'begin', 'end']);
          expect(await statesInSs(actor)).toContain('FIN_WAIT1');
          expect(await sweepOrphans.apply(context, targets)).toEqual(targets.map(() => undefined));
        },
        2500,
      );
    },
    LIMIT_MS,
  );

  it(
    'changes nothing where the value is set so already, nor where the journal cannot be written',
    async () => {
      await withOrphans(4, async ({ actor, effects, context, targets, value }) => {
        writeFileSync(path.join(home, 'file'), '');
        const journal = openJournal({ ...effects, env: { XDG_STATE_HOME: path.join(home, 'file') } });
        await expect(sweepOrphans.apply({ ...context, journal }, targets)).rejects.toThrow(/nothing was changed/);
        expect(await value()).toBe('0');
        await actor.call('setSysctl', { values: { [SETTING]: 1 } });
        await sweepOrphans.apply(context, targets);
        expect(await value()).toBe('1');
        expect(context.journal.read().entries).toEqual([]);
      });
    },
    LIMIT_MS,
  );

  it(
    'leaves a value alone that someone else has set meanwhile',
    async () => {
      await withOrphans(4, async ({ actor, context, targets, value }) => {
        const meddling = { ...context, effects: { ...context.effects, sleep: meddle } };
        async function meddle(ms: number): Promise<void> {
          if ((await value()) === '1') await actor.call('setSysctl', { values: { [SETTING]: 3 } });
          await sleep(ms);
        }
        const [attempt] = await sweepOrphans.apply(meddling, targets);
        expect(attempt?.remains).toMatch(/is 3 now, no longer the 1 that was set/);
        expect(await value()).toBe('3');
      });
    },
    LIMIT_MS,
  );

  it(
    'is made good by the next run after kill -9 at any point',
    async () => {
      await withOrphans(
        4,
        async ({ actor, effects, context, value }) => {
          const outcomes: string[] = [];
          for (let round = 0; round < 10; round++) {
            await killedSweep(actor, round);
            const [after, unfinished] = [await value(), unfinishedEntries(context)];
            // Either nothing was changed, or there is an entry that says so.
            if (after !== '0') expect(unfinished).toBe(1);
            const recoveries = await recover(effects, context.journal);
            expect(recoveries).toHaveLength(unfinished);
            if (after === '1') expect(recoveries[0].outcome).toBe('restored');
            expect(await value()).toBe('0');
            expect(await recover(effects, context.journal)).toEqual([]);
            outcomes.push(after);
          }
          // Some were really hit while the value was changed: how many depends on how busy the machine is.
          expect(outcomes).toContain('1');
        },
        // The next timers are then some ten seconds away: a sweep waits for them all that time.
        13_000,
      );
    },
    LIMIT_MS,
  );
});

function failing(): void {
  throw new Error('on purpose');
}

function unfinishedEntries({ journal }: ApplyContext): number {
  const { entries } = journal.read();
  const ended = new Set(entries.map(({ of }) => of));
  return entries.filter(({ id, phase }) => phase === 'begin' && !ended.has(id)).length;
}

/** Starts a sweep in another process and kills it: at a random moment of its first 60 ms, or of its first second. */
async function killedSweep(actor: Actor, round: number): Promise<void> {
  const env = { ...process.env, XDG_STATE_HOME: home };
  const child = start(process.execPath, [runner, 'sweep', String(actor.netnsInode)], { env });
  const ended = outcomeOf(child);
  await new Promise<void>((resolve) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', () => resolve());
  });
  await sleep(Math.random() * (round % 2 === 0 ? 60 : 1000));
  child.kill('SIGKILL');
  const { err } = await ended;
  expect(err).toBe('');
}
