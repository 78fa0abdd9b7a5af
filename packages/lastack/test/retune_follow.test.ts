import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RetuneJson } from '../src/report/retune_json.ts';
import { COMMAND, ensureBuilt, type Outcome, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';

const LIMIT_MS = 60_000;
const SCRIPT = path.join(import.meta.dirname, 'retune/opener.py');
/** A look takes its time on a busy machine. */
const REACHED_WITHIN_S = 10;

describe.skipIf(missingNamespaces() !== undefined)('retune --pid --follow', { timeout: LIMIT_MS }, () => {
  let folder: string;
  const ends: (() => unknown)[] = [];
  beforeAll(() => {
    ensureBuilt();
    folder = mkdtempSync(path.join(tmpdir(), 'lastack-follow-'));
  }, 120_000);
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A program that opens connections to itself when told to, in a namespace of its own. */
  async function opener() {
    const child = start('unshare', ['--net', 'python3', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
    ends.push(async () => {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGKILL');
      await gone;
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value as string);
    expect(await next()).toBe('ready');
    const ask = async (command: string) => {
      child.stdin?.write(`${command}\n`);
      return next();
    };
    return { child, pid: child.pid!, ask, quit: () => child.stdin?.end() };
  }

  /** Starts to follow, and waits until it does. */
  async function follow(pid: number, more: readonly string[] = []) {
    const args = [COMMAND, 'retune', '--pid', String(pid), '--follow', '--keepalive', '33/4/5', '--yes', ...more];
    const child = start(process.execPath, args, { env: { ...process.env, XDG_STATE_HOME: folder } });
    ends.push(() => child.kill('SIGKILL'));
    const outcome = outcomeOf(child, LIMIT_MS);
    let said = '';
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (text: string) => {
        said += text;
        if (said.includes('Ctrl-C ends it')) resolve();
      });
      child.once('exit', () => resolve());
    });
    return { child, outcome: outcome as Promise<Outcome>, said: () => said };
  }

  it('reaches what is open and each new socket, journalled, and ends with the process', async () => {
    const program = await opener();
    await program.ask('open');
    const following = await follow(program.pid);
    expect(following.said()).toMatch(/following python3 .*keepalive 33\/4\/5; it looks every 250 ms/);
    expect((await program.ask('wait')).seconds).toBeLessThan(REACHED_WITHIN_S);
    for (let round = 0; round < 3; round++) {
      await program.ask('open');
      const reached = await program.ask('wait');
      expect(reached.seconds).toBeLessThan(REACHED_WITHIN_S);
      // By the program's own getsockopt: all its connections, not its listener nor its other sockets.
      expect(reached.options).toEqual(Array(2 * (round + 2)).fill([1, 33, 4, 5]));
      expect(reached.listener).toEqual([0, 7200, 75, 9]);
    }
    const undo = await outcomeOf(
      start(process.execPath, [COMMAND, 'undo', '--yes'], { env: { ...process.env, XDG_STATE_HOME: folder } }),
    );
    expect([undo.code, undo.out.match(/undone: put the options of/g)?.length]).toEqual([0, 4]);
    expect((await program.ask('options')).options).toEqual(Array(8).fill([0, 7200, 75, 9]));
    program.quit();
    const { code, out, err } = await following.outcome;
    expect([code, err]).toEqual([0, expect.stringMatching(/has ended; 8 sockets changed\n$/)]);
    expect(out.match(/^changed: 127\.0\.0\.1:\d+/gm)?.length).toBe(8);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends on %s with 130, and what it set stays', async (signal) => {
    const program = await opener();
    await program.ask('open');
    const following = await follow(program.pid, ['--every', '20ms', '--json']);
    await program.ask('wait');
    following.child.kill(signal);
    const { code, out, err } = await following.outcome;
    expect([code, err]).toEqual([130, expect.stringMatching(/interrupted; 2 sockets changed\n$/)]);
    const documents = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as RetuneJson);
    expect(documents.map(({ counts }) => counts)).toEqual([{ changed: 2 }]);
    const options = (await program.ask('options')).options;
    expect(options).toEqual(Array(2).fill([1, 33, 4, 5]));
    // No entry was left open.
    const journal = readFileSync(path.join(folder, 'lastack/journal.jsonl'), 'utf8');
    const phases = journal
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).phase as string);
    expect(phases.filter((phase) => phase === 'begin').length).toBe(phases.filter((phase) => phase === 'end').length);
  });

  it('ends with 0 also when the process is killed while it looks, and with 1 when there is none', async () => {
    const program = await opener();
    const following = await follow(program.pid, ['--every', '10ms']);
    for (let round = 0; round < 5; round++) await program.ask('open');
    program.child.kill('SIGKILL');
    const { code, err } = await following.outcome;
    expect([code, err]).toEqual([0, expect.stringMatching(/has ended/)]);
    const late = await follow(program.pid);
    expect(await late.outcome).toMatchObject({
      code: 1,
      out: '',
      err: `lastack: there is no process ${program.pid}\n`,
    });
  });
});
