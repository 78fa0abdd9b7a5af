import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Actor, type Bulk, type BulkPlan, buildBulk, Lab } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseLines } from '../src/journal/lines.ts';
import type { OutcomeJson } from '../src/report/outcome_json.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, type Outcome, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';

const LIMIT_MS = 600_000;
/** Measured for a hundred thousand sockets with their owners: 262 MB, and 470 MB with --json. */
const MOST_MEMORY_MB = 400;
const MANY = 100_000;
/** Each holds both ends of its share: 17,000 descriptors, below the usual limit of 20,000. */
const ACTORS = 12;

interface Measured extends Outcome {
  /** The kernel's high-water mark, megabytes. */
  peakMb: number;
}

describe.skipIf(missingNamespaces() !== undefined && !process.env.CI)('lastack clear of everything', () => {
  let state: string;
  beforeAll(async () => {
    await ensureBuilt();
    state = mkdtempSync(path.join(tmpdir(), 'lastack-everything-'));
  }, 120_000);
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  async function inBulk(plan: BulkPlan, body: (bulk: Bulk) => Promise<void>): Promise<void> {
    const lab = new Lab({ actorFile: LAB_ACTOR });
    try {
      await body(await buildBulk(lab, plan));
    } finally {
      await lab.close();
    }
  }

  async function clearIn({ pid }: Actor, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Measured> {
    const argv = ['-t', String(pid), '-n', '--', process.execPath, COMMAND, 'clear', ...args];
    const child = start('nsenter', argv, { env: { ...process.env, XDG_STATE_HOME: state, ...env } });
    let peakMb = 0;
    const watch = setInterval(() => {
      peakMb = Math.max(peakMb, peakOf(child.pid));
    }, 20);
    try {
      return { ...(await outcomeOf(child, LIMIT_MS)), peakMb };
    } finally {
      clearInterval(watch);
    }
  }

  async function states(actor: Actor): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const line of (await actor.run('ss', ['-tanH'])).stdout.split('\n').filter(Boolean)) {
      const name = line.split(/\s/)[0];
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** A listener and one open connection of it, besides the bulk. */
  async function openOne(actor: Actor): Promise<{ port: number; clientPort: number }> {
    const at = { address: '127.9.0.1', port: 7000 };
    const listener = await actor.call('listen', { at, backlog: 8, options: {} });
    const client = await actor.call('connect', { to: at, limitMs: 10_000 });
    await actor.call('accept', { fd: listener.fd, limitMs: 10_000 });
    return { port: at.port, clientPort: client.port };
  }

  /** One condition that every TCP socket meets. */
  const EVERYTHING = ['state', 'all', 'sport', '>=', ':0'];

  it('a filter that matches everything leaves listeners and open connections, each with its flag named', async () => {
    await inBulk({ timeWait: 0, halfClosed: 40, actors: 1 }, async ({ observeIn }) => {
      await openOne(observeIn);
      const planned = await clearIn(observeIn, [...EVERYTHING, '--dry-run', '--json']);
      const plan = JSON.parse(planned.out) as OutcomeJson;
      expect([planned.code, plan.counts]).toEqual([0, { planned: 80, guarded: 3 }]);
      const reasons = plan.results.flatMap(({ outcome, because }) => (outcome === 'guarded' ? [because] : []));
      expect(reasons.filter((because) => because?.includes('--listeners')).length).toBe(1);
      expect(reasons.filter((because) => because?.includes('--established')).length).toBe(2);
      expect(await states(observeIn)).toEqual({ LISTEN: 1, ESTAB: 2, 'CLOSE-WAIT': 40, 'FIN-WAIT-2': 40 });
      const cleared = await clearIn(observeIn, [...EVERYTHING, '--yes']);
      expect([cleared.code, cleared.err]).toEqual([0, '']);
      expect(cleared.out).toContain('3 guarded');
      const { 'TIME-WAIT': _, ...left } = await states(observeIn);
      expect(left).toEqual({ LISTEN: 1, ESTAB: 2 });
    });
  }, 120_000);

  it('with both flags it takes all but the connection of the login, and exit code 1 where nothing else is left', async () => {
    await inBulk({ timeWait: 0, halfClosed: 4, actors: 1 }, async ({ observeIn }) => {
      const { port, clientPort } = await openOne(observeIn);
      const login = { SSH_CONNECTION: `127.0.0.1 ${clientPort} 127.9.0.1 ${port}` };
      const words = [...EVERYTHING, 'and', 'sport', '=', `:${port}`, '--established', '--listeners', '--yes', '--json'];
      const { code, out } = await clearIn(observeIn, words, login);
      expect([code, JSON.parse(out).counts]).toEqual([0, { cleared: 1, guarded: 1 }]);
      expect(await states(observeIn)).toMatchObject({ ESTAB: 2 });
      expect((await states(observeIn)).LISTEN).toBeUndefined();
      // The listener is bound still, and only its program can close that.
      const again = await clearIn(observeIn, words, login);
      expect([again.code, JSON.parse(again.out).counts]).toEqual([1, { guarded: 2 }]);
      expect(again.err).toBe('lastack: nothing cleared: all that matched is left alone\n');
    });
  }, 120_000);

  it('refuses more than --max before it touches one of them', async () => {
    await inBulk({ timeWait: 0, halfClosed: 600, actors: 1 }, async ({ observeIn }) => {
      const { code, out, err } = await clearIn(observeIn, [...EVERYTHING, '--yes']);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^lastack: 1200 sockets match, more than --max 1000 allows; .*--max 1200\n$/);
      expect(await states(observeIn)).toEqual({ 'CLOSE-WAIT': 600, 'FIN-WAIT-2': 600 });
    });
  }, 120_000);

  it('shows on a terminal how far it has come, also where it need not ask', async () => {
    await inBulk({ timeWait: 0, halfClosed: 1_100, actors: 1 }, async ({ observeIn }) => {
      const terminal = path.join(import.meta.dirname, 'support/on_terminal.py');
      const command = [process.execPath, COMMAND, 'clear', 'state', 'close-wait', '--yes', '--max', '5000'];
      // The helper discards standard error, where progress goes: here it is joined to standard output.
      const joined = ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...command];
      const argv = ['-t', String(observeIn.pid), '-n', '--', 'python3', terminal, '80', ...joined];
      const child = start('nsenter', argv, { env: { ...process.env, XDG_STATE_HOME: state, TERM: 'xterm' } });
      const { code, out } = await outcomeOf(child, LIMIT_MS);
      expect([code, out]).toEqual([0, expect.stringContaining('of 1100 sockets')]);
      expect(out).toContain('1100 cleared');
    });
  }, 120_000);

  it(
    'clears a hundred thousand that programs hold, within bounds, and writes each down first',
    async () => {
      await inBulk({ timeWait: 0, halfClosed: MANY, actors: ACTORS }, async ({ observeIn }) => {
        rmSync(path.join(state, 'lastack'), { recursive: true, force: true });
        const { code, out, err, peakMb } = await clearIn(observeIn, [
          ...['state', 'close-wait', '--method', 'destroy', '--yes', '--max', String(MANY)],
        ]);
        expect([code, err]).toEqual([0, '']);
        expect(out).toMatch(new RegExp(`^${MANY} cleared$`, 'm'));
        expect((await states(observeIn))['CLOSE-WAIT']).toBeUndefined();
        expect(peakMb).toBeGreaterThan(50);
        expect(peakMb).toBeLessThan(MOST_MEMORY_MB);
        expectSaneJournal(readFileSync(path.join(state, 'lastack/journal.jsonl')));
      });
    },
    LIMIT_MS,
  );
});

function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Every entry is ended, none is damaged, and together they name each socket once. */
function expectSaneJournal(bytes: Uint8Array): void {
  const { entries, damagedLines } = parseLines(bytes);
  expect(damagedLines).toBe(0);
  const begun = entries.filter(({ phase }) => phase === 'begin');
  const ended = entries.filter(({ phase }) => phase === 'end');
  expect(ended.map(({ of }) => of)).toEqual(begun.map(({ id }) => id));
  const named = begun.flatMap(({ data }) =>
    Object.values((data as { targets: Record<string, string[]> }).targets).flat(),
  );
  expect(named.length).toBe(MANY);
  expect(new Set(named).size).toBe(MANY);
  const cookies = new Set(named.map((line) => line.split(' ')[1]));
  expect(cookies.size).toBe(MANY);
}
