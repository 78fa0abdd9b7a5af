import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runScenario } from '@lastack/lab';
import { Command } from 'commander';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { journalCommand } from '../src/cli/commands/journal.ts';
import { undoCommand } from '../src/cli/commands/undo.ts';
import { UserError } from '../src/effects.ts';
import type { Journal } from '../src/journal/journal.ts';
import { openJournal } from '../src/journal/open.ts';
import { readLife } from '../src/journal/process_life.ts';
import { recover } from '../src/journal/recover.ts';
import { DOCUMENTS } from '../src/report/schemas.ts';
import { bundleJournalRunner } from './support/bundle.ts';
import { ensureBuilt, LAB_ACTOR, outcomeOf, start } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';

const SKIP = missingNamespaces() !== undefined;
const DRAFT = { action: 'destroy', summary: 'destroy: 1 socket' };

let home: string;
let runner: string;

beforeAll(async () => {
  runner = await bundleJournalRunner();
});
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'lastack-journal-'));
});
afterEach(() => {
  chmodSync(home, 0o700);
  rmSync(home, { recursive: true });
});

const file = () => path.join(home, 'lastack/journal.jsonl');
const effectsHere = () => capturedEffects([], { env: { XDG_STATE_HOME: home } });
const openHere = (): Journal => openJournal(effectsHere());

/** Runs a command as the program does. */
async function run(argv: string[], replaced: Parameters<typeof capturedEffects>[1] = {}) {
  const effects = capturedEffects(argv, { env: { XDG_STATE_HOME: home }, ...replaced });
  let code = -1;
  const program = new Command().exitOverride();
  for (const add of [journalCommand, undoCommand]) {
    add(program, effects, (result) => {
      code = result;
    });
  }
  await program.parseAsync(argv, { from: 'user' });
  return { code, ...effects.written };
}

/** A line as another process would have written it. */
function appendForeign(journal: Journal, entry: { action: string; summary: string; data?: unknown }): void {
  // The highest process id that Linux allows is 2^22: nobody has this one.
  const line = {
    id: nextId(journal),
    at: new Date().toISOString(),
    boot: bootId(),
    pid: 4_194_305,
    phase: 'begin',
    ...entry,
  };
  mkdirSync(path.dirname(file()), { recursive: true, mode: 0o700 });
  appendFileSync(file(), `${JSON.stringify(line)}\n`, { mode: 0o600 });
}
const nextId = (journal: Journal) => Math.max(0, ...journal.read().entries.map(({ id }) => id)) + 1;
const bootId = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

describe('the journal file', () => {
  it('keeps entries for its owner alone, in the order of their numbers', () => {
    const journal = openHere();
    expect(journal.read()).toEqual({ entries: [], damagedLines: 0 });
    const first = journal.begin({ ...DRAFT, data: { targets: { 1: ['a-b 1'] } } });
    journal.end(first, DRAFT);
    expect(openHere().begin(DRAFT)).toBe(3);
    expect(journal.begin(DRAFT)).toBe(4);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file())).mode & 0o777).toBe(0o700);
    const { entries } = journal.read();
    expect(entries.map(({ id, phase, of }) => [id, phase, of])).toEqual([
      [1, 'begin', undefined],
      [2, 'end', 1],
      [3, 'begin', undefined],
      [4, 'begin', undefined],
    ]);
    expect(entries[0]).toMatchObject({ boot: bootId(), pid: process.pid, data: { targets: { 1: ['a-b 1'] } } });
  });

  it('gives out each number once, to several processes at a time', async () => {
    const env = { ...process.env, XDG_STATE_HOME: home };
    const children = Array.from({ length: 4 }, () =>
      outcomeOf(start(process.execPath, [runner, 'append', '25'], { env })),
    );
    const outcomes = await Promise.all(children);
    const begun = outcomes.flatMap(({ out }) => JSON.parse(out) as number[]);
    const { entries, damagedLines } = openHere().read();
    expect(damagedLines).toBe(0);
    expect(entries.map(({ id }) => id)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect(new Set(begun).size).toBe(100);
  });

  it('passes over damaged lines, and starts afresh behind one that was cut off', async () => {
    const journal = openHere();
    journal.begin(DRAFT);
    appendFileSync(file(), 'garbage\n{"id":40,"at":3}\n\n[]\nnull\n\u0000\u0000\n');
    journal.begin(DRAFT);
    truncateSync(file(), statSync(file()).size - 5);
    expect(journal.read()).toMatchObject({ damagedLines: 6 });
    // The numbers of damaged lines stay used.
    expect(openHere().begin(DRAFT)).toBe(42);
    expect(journal.begin(DRAFT)).toBe(43);
    const { entries, damagedLines } = journal.read();
    expect(entries.map(({ id }) => id)).toEqual([1, 42, 43]);
    expect(damagedLines).toBe(6);
    const { code, err } = await run(['journal', '--json']);
    expect(code).toBe(0);
    expect(err).toMatch(/lastack: 6 lines of .* cannot be read/);
  });

  it('survives a cut at every byte of its last line', () => {
    const journal = openHere();
    journal.begin(DRAFT);
    const whole = statSync(file()).size;
    journal.begin(DRAFT);
    const all = readFileSync(file());
    for (let length = all.length - 1; length >= whole; length -= 7) {
      truncateSync(file(), length);
      const id = openHere().begin(DRAFT);
      const read = journal.read();
      expect(read.entries.at(-1)).toMatchObject({ id });
      expect(read.entries.every((entry, index) => index === 0 || entry.id > read.entries[index - 1].id)).toBe(true);
      truncateSync(file(), whole);
      appendFileSync(file(), all.subarray(whole));
    }
  });

  it('finds the last number behind a very long line', () => {
    const journal = openHere();
    journal.begin(DRAFT);
    journal.begin({ ...DRAFT, data: 'x'.repeat(300_000) });
    expect(openHere().begin(DRAFT)).toBe(3);
  });

  it('refuses a place that others may write to, or that is no place', () => {
    openHere().begin(DRAFT);
    chmodSync(path.dirname(file()), 0o777);
    expect(() => openHere().begin(DRAFT)).toThrow(/cannot be trusted: others may write to it.*XDG_STATE_HOME/);
    chmodSync(path.dirname(file()), 0o700);
    const journal = openJournal(capturedEffects([], { env: { XDG_STATE_HOME: `${file()}/x` } }));
    expect(() => journal.begin(DRAFT)).toThrow(UserError);
    expect(() => journal.begin(DRAFT)).toThrow(
      /^writing the journal .*: part of the path is not a directory; nothing was/,
    );
    expect(() => openJournal(capturedEffects([], { env: {}, uid: 1000 })).begin(DRAFT)).toThrow(/XDG_STATE_HOME/);
    // Node's own recursive mkdir never returns here.
    const below = openJournal(capturedEffects([], { env: { XDG_STATE_HOME: '/proc/no-such' } }));
    expect(() => below.begin(DRAFT)).toThrow(
      /^writing the journal \/proc\/no-such.*nothing was changed; set XDG_STATE_HOME/,
    );
  });

  it.skipIf(SKIP)('says that the disk is full before anything is applied, and goes on when there is room', async () => {
    const child = start('unshare', ['--mount', process.execPath, runner, 'full', home]);
    const { code, out, err } = await outcomeOf(child);
    expect([code, err]).toEqual([0, '']);
    const result = JSON.parse(out);
    expect(result.name).toBe('UserError');
    expect(result.message).toMatch(/^writing the journal .*: the disk is full; nothing was changed; make room/);
    expect(result.before).toEqual({ count: result.written, damaged: 0 });
    expect(result.next).toBe(result.written + 1);
    expect(result.after).toEqual({ count: result.written + 1, damaged: 0 });
    expect(result.warnings).toMatch(/entry 1 could not be marked as finished: .*the disk is full/);
  });
});

describe('what an interrupted run left', () => {
  it('is reported once, with its sockets', async () => {
    const journal = openHere();
    appendForeign(journal, {
      ...DRAFT,
      data: { targets: { 1: ['10.0.0.1:80-10.0.0.2:99 1a', 'b-c 2', 'd-e 3', 'f-g 4'] } },
    });
    const [recovery, ...others] = await recover(effectsHere(), journal);
    expect(others).toEqual([]);
    expect(recovery).toMatchObject({ outcome: 'may-have-been-done' });
    expect(recovery.text).toBe(
      'entry 1 was interrupted and may have been done: destroy: 1 socket (10.0.0.1:80-10.0.0.2:99, b-c, d-e and 1 more)',
    );
    expect(await recover(effectsHere(), journal)).toEqual([]);
    expect((await run(['journal'])).out).toMatch(/^1 .* may be done +destroy/m);
  });

  it('is left alone while its process lives, and not taken for a later process of that number', async () => {
    const journal = openHere();
    journal.begin(DRAFT);
    expect(await recover(effectsHere(), journal)).toEqual([]);
    const started = readLife('/proc', process.pid)?.started ?? 0;
    const line = readFileSync(file(), 'utf8').replace(`"started":${started}`, `"started":${started - 1}`);
    truncateSync(file(), 0);
    appendFileSync(file(), line);
    expect(await recover(effectsHere(), journal)).toMatchObject([{ outcome: 'may-have-been-done' }]);
  });
});

describe('journal and undo as commands', () => {
  it('say so when there is nothing, and refuse nonsense', async () => {
    expect(await run(['journal'])).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(/nothing has been changed/),
    });
    expect(await run(['undo'])).toMatchObject({ code: 1, err: 'lastack: there is nothing to undo\n' });
    await expect(run(['undo', '7'])).rejects.toThrow('the journal has no change 7');
    await expect(run(['journal', '--last', '0'])).rejects.toThrow('--last takes a number from 1 on');
  });

  it('list changes, and say what cannot be taken back', async () => {
    const journal = openHere();
    for (const summary of ['one', 'two\u001b[31m', 'three']) {
      journal.end(journal.begin({ action: 'destroy', summary }), { action: 'destroy', summary: 'all cleared' });
    }
    const { out } = await run(['journal', '--last', '2']);
    expect(out.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/^3 .* done +destroy +two\\x1b\[31m; all cleared$/),
      expect.stringMatching(/^5 .* done +destroy +three; all cleared$/),
    ]);
    const document = JSON.parse((await run(['journal', '--json'])).out);
    expect(document).toMatchObject({ schema: 'lastack.journal/1', damagedLines: 0 });
    expect(document.changes).toHaveLength(3);
    expect(await run(['undo', '5'])).toMatchObject({
      code: 3,
      out: expect.stringMatching(/destroy did cannot be taken back/),
    });
    expect(await run(['undo', '--yes'])).toMatchObject({
      code: 1,
      out: '3 entries left: what destroy did cannot be taken back\n',
    });
  });
});

describe.skipIf(SKIP)('settings of a namespace', () => {
  const NAME = 'net/ipv4/tcp_orphan_retries';
  beforeAll(ensureBuilt, 120_000);

  /** A namespace with nothing in it but what the test needs. */
  async function inNamespace(body: (tools: SettingTools) => Promise<void>): Promise<void> {
    await runScenario(
      'close-wait-eof-unread',
      { family: 4, actorFile: LAB_ACTOR, settleLimitMs: 0 },
      async ({ observeIn }) => {
        const { pid, netnsInode } = observeIn;
        // Read and written by other programs than the one under test.
        const enter = (argv: string[]) =>
          execFileSync('nsenter', ['-t', String(pid), '-n', ...argv], { encoding: 'utf8' });
        await body({
          value: () => enter(['cat', `/proc/sys/${NAME}`]).trim(),
          set: (value) => void enter(['sysctl', '-qw', `net.ipv4.tcp_orphan_retries=${value}`]),
          change: (before, after) => ({
            action: 'sysctl',
            summary: `tcp_orphan_retries ${before} → ${after}`,
            data: { name: NAME, before, after, namespace: { inode: netnsInode, label: 'lab' } },
          }),
        });
      },
    );
  }
  interface SettingTools {
    value(): string;
    set(value: string): void;
    change(before: string, after: string): { action: string; summary: string; data: object };
  }

  it('are put back in reverse order', async () => {
    await inNamespace(async ({ value, set, change }) => {
      const journal = openHere();
      for (const [before, after] of [
        ['0', '3'],
        ['3', '5'],
      ]) {
        const draft = change(before, after);
        journal.end(journal.begin(draft), draft);
      }
      set('5');
      const dry = await run(['undo', '--dry-run']);
      expect(dry.code).toBe(0);
      expect(dry.out).toMatch(/entry 3 +would put .* back from 5 to 3\nentry 1 +would put .* back from 3 to 0\n/);
      expect(value()).toBe('5');
      await expect(run(['undo'])).rejects.toThrow(/2 changes would be undone and nobody can be asked; say --yes/);
      expect(await run(['undo'], { isInteractive: true })).toMatchObject({ code: 1 });
      expect(value()).toBe('5');
      expect(await run(['undo'], { isInteractive: true, ask: async () => true })).toMatchObject({ code: 0 });
      expect(value()).toBe('0');
      expect((await run(['journal'])).out.match(/ undone /g)).toHaveLength(2);
      expect(await run(['undo', '--yes'])).toMatchObject({ code: 1 });
    });
  });

  it('are put back with one JSON document, valid by its schema', async () => {
    await inNamespace(async ({ value, set, change }) => {
      const journal = openHere();
      for (const [before, after] of [
        ['0', '3'],
        ['3', '5'],
      ]) {
        const draft = change(before, after);
        journal.end(journal.begin(draft), draft);
      }
      set('5');
      const undo = async (...argv: string[]) => {
        const { code, out } = await run(['undo', '--json', ...argv]);
        const document = DOCUMENTS['lastack.undone/1'].schema.parse(JSON.parse(out));
        return {
          code,
          dryRun: document.dryRun,
          entries: document.entries.map(({ entry, outcome }) => [entry, outcome]),
        };
      };
      expect(await undo('--dry-run')).toEqual({
        code: 0,
        dryRun: true,
        entries: [
          [3, 'planned'],
          [1, 'planned'],
        ],
      });
      await expect(run(['undo', '--json'])).rejects.toThrow(/2 changes would be undone and nobody can be asked/);
      expect(value()).toBe('5');
      expect(await undo('3', '--yes')).toEqual({ code: 0, dryRun: false, entries: [[3, 'undone']] });
      expect(value()).toBe('3');
      expect(await undo('3', '--yes')).toEqual({ code: 3, dryRun: false, entries: [[3, 'over']] });
      set('7');
      // Someone else has changed it since.
      expect(await undo('1', '--yes')).toEqual({ code: 3, dryRun: false, entries: [[1, 'refused']] });
      set('0');
      expect(await undo('1', '--yes')).toEqual({ code: 3, dryRun: false, entries: [[1, 'over']] });
      expect(await undo('--yes')).toEqual({ code: 1, dryRun: false, entries: [] });
      journal.begin({ action: 'destroy', summary: 'one' });
      expect((await undo('--yes')).entries).toEqual([[expect.any(Number), 'irreversible']]);
    });
  });

  it('are left alone where someone else has changed them', async () => {
    await inNamespace(async ({ value, set, change }) => {
      const journal = openHere();
      const draft = change('0', '3');
      journal.end(journal.begin(draft), draft);
      set('7');
      const { code, out } = await run(['undo', '1', '--yes']);
      expect(code).toBe(3);
      expect(out).toMatch(/is 7 now, no longer the 3 that was set: someone else has changed it/);
      expect(value()).toBe('7');
    });
  });

  it('are put back after a run that died, and only if they are what it set', async () => {
    await inNamespace(async ({ value, set, change }) => {
      const journal = openHere();
      appendForeign(journal, change('0', '1'));
      set('4');
      expect(await recover(effectsHere(), journal)).toMatchObject([{ outcome: 'nothing-to-do' }]);
      expect(value()).toBe('4');
      appendForeign(journal, change('4', '1'));
      set('1');
      const { err, code } = await run(['journal']);
      expect(err).toMatch(/entry 3 was interrupted before it had ended: put .* back from 1 to 4: done/);
      expect([code, value()]).toEqual([0, '4']);
    });
  });

  it('of a namespace that is gone, or of another boot, are nothing to do', async () => {
    const journal = openHere();
    const data = { name: NAME, before: '0', after: '1', namespace: { inode: 1, label: 'lab' } };
    appendForeign(journal, { action: 'sweep-orphans', summary: 'sweep', data });
    appendForeign(journal, { action: 'sweep-orphans', summary: 'sweep', data: { ...data, name: '../../tmp/x' } });
    const [second, first] = await recover(effectsHere(), journal);
    expect(first).toMatchObject({ outcome: 'nothing-to-do', text: expect.stringMatching(/namespace lab is gone/) });
    expect(second).toMatchObject({ outcome: 'nothing-to-do' });
  });

  it('never lead a path out of the network settings', async () => {
    await inNamespace(async ({ change }) => {
      const journal = openHere();
      const { data } = change('0', '1');
      appendForeign(journal, { action: 'sysctl', summary: 'x', data: { ...data, name: 'net/../kernel/hostname' } });
      expect(await recover(effectsHere(), journal)).toMatchObject([
        { outcome: 'nothing-to-do', text: expect.stringMatching(/does not tell what was changed/) },
      ]);
    });
  });
});
