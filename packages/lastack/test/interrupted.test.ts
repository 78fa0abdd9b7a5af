import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNoStack } from './support/assertions.ts';
import { COMMAND, ensureBuilt, lastack, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';

const LIMIT_MS = 60_000;
const GONE_LIMIT_MS = 10_000;

beforeAll(ensureBuilt);

function run(args: readonly string[]): ChildProcess {
  return start(process.execPath, [COMMAND, ...args]);
}

/** Resolves when standard error holds this. */
function said(child: ChildProcess, what: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk) => {
      text += chunk;
      const match = what.exec(text);
      if (match) resolve(match);
    });
    child.once('exit', () => reject(new Error(`ended before it said ${what}: ${text}`)));
  });
}

/** Processes that this one started, directly or through others, by pid. */
function descendants(of: number): number[] {
  const parentOf = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      parentOf.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Ended meanwhile.
    }
  }
  const isBelow = (pid: number | undefined): boolean => pid !== undefined && (pid === of || isBelow(parentOf.get(pid)));
  return [...parentOf.keys()].filter((pid) => pid !== of && isBelow(pid));
}

/** Whether the process has a handler of its own for SIGINT, signal number 2. */
function catchesInterrupts(pid: number | undefined): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> 1n) & 1n) === 1n;
}

function isAlive(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/exe`);
    return true;
  } catch {
    return false;
  }
}

/** Ends the command in the middle of its work, and finds nothing of it left. */
async function interrupt(child: ChildProcess, signal: NodeJS.Signals): Promise<{ code: number | null; err: string }> {
  const below = descendants(child.pid ?? 0);
  const ended = outcomeOf(child);
  child.kill(signal);
  const outcome = await ended;
  expectNoStack(outcome);
  const until = Date.now() + GONE_LIMIT_MS;
  while (below.some(isAlive) && Date.now() < until) await pause(50);
  expect(below.filter(isAlive)).toEqual([]);
  return outcome;
}

describe('Ctrl-C', () => {
  it('ends the doctor while it waits for its counters', { timeout: LIMIT_MS }, async () => {
    const child = run(['--interval', '30']);
    while (!catchesInterrupts(child.pid)) await pause(20);
    // Behind its start, far before its end.
    await pause(500);
    expect(child.exitCode).toBe(null);
    expect(await interrupt(child, 'SIGINT')).toMatchObject({ code: 130, out: '', err: '' });
  });

  describe.skipIf(missingNamespaces() !== undefined)('in the lab', () => {
    it.each(['SIGINT', 'SIGTERM'] as const)('%s ends what is kept', { timeout: LIMIT_MS }, async (signal) => {
      const child = run(['lab', 'run', '--keep', 'forked-holder']);
      await said(child, /kept until Ctrl-C/);
      expect(descendants(child.pid ?? 0).length).toBeGreaterThanOrEqual(3);
      expect((await interrupt(child, signal)).code).toBe(130);
    });

    it('ends what is still being built, kept or not', { timeout: LIMIT_MS }, async () => {
      for (const keep of [[], ['--keep']]) {
        const child = run(['lab', 'run', ...keep, 'established-zero-window']);
        while (descendants(child.pid ?? 0).length === 0) await pause(20);
        expect(await interrupt(child, 'SIGINT')).toMatchObject({ code: 130, err: '' });
      }
    });

    it('ends the program that runs in a scenario', { timeout: LIMIT_MS }, async () => {
      const child = run(['lab', 'run', 'listen-queue-full', '--', 'sleep', '600']);
      await said(child, /network namespace of process/);
      while (!descendants(child.pid ?? 0).some((pid) => commandOf(pid) === 'sleep')) await pause(20);
      expect((await interrupt(child, 'SIGINT')).code).toBe(130);
    });
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  } catch {
    return '';
  }
}

describe('a reader that goes away', () => {
  it.each([
    [['explain']],
    [['explain', '--json']],
    [['lab', 'list']],
    [['ls', '--json', 'state', 'all']],
    [['ls', '--ndjson', 'state', 'all']],
    [['--own-netns']],
    [['--help']],
  ])('is no error: %j', async (args) => {
    const child = run(args);
    child.stdout?.destroy();
    const ended = outcomeOf(child);
    const { code, err } = await ended;
    expect({ code, err: err.replace(/^lastack: .*\n/gm, '') }).toEqual({ code: 0, err: '' });
  });

  it('before the end of a long list is noticed at once', { timeout: LIMIT_MS }, async () => {
    const child = run(['explain', '--json']);
    await once(child.stdout ?? child, 'readable');
    child.stdout?.read(1);
    child.stdout?.destroy();
    expect(await outcomeOf(child)).toMatchObject({ err: '' });
    expect(child.exitCode).toBe(0);
  });

  it('as `head -1` does in a shell', () => {
    const line = '"$0" "$1" lab list | head -1; exit $PIPESTATUS';
    const { status, stdout, stderr } = spawnSync('bash', ['-c', line, process.execPath, COMMAND], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  it('from both streams is no error either', async () => {
    const child = run(['ls', 'sport', '=', ':1']);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await once(child, 'exit');
    expect([0, 1]).toContain(child.exitCode);
    expect((await lastack(['--version'])).code).toBe(0);
  });
});
