import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type ClearTarget, type Row, TcpState, targetOf } from '@lastack/core';
import { type DiagTable, destroyRows, lookupRows, lookupSockets, REUSED } from '@lastack/kernel';
import { describe, expect, it } from 'vitest';
import { destroy } from '../src/remedies/destroy/mod.ts';
import { contextOf, diagOf, tableOf } from './clear_means/world.ts';
import { missingNamespaces } from './support/privileged.ts';

const ENOENT = 2;
const REQUESTS = 10_000;
const LIMIT_MS = 60_000;
const MOST_ROUNDS = 3_000;

const keyOf = (table: DiagTable, row: Row) =>
  `${table.localAddress(row)}:${table.localPort(row)} ${table.remoteAddress(row)}:${table.remotePort(row)}`;

/** Open connections by address pair. */
function openRows(table: DiagTable): Map<string, Row> {
  const rows = Array.from({ length: table.count }, (_, row) => row);
  const open = rows.filter((row) => table.state(row) === TcpState.ESTABLISHED);
  return new Map(open.map((row) => [keyOf(table, row), row]));
}

/** Rows of the earlier dump whose address pair another connection has in the later one. */
function staleRows(earlier: DiagTable, later: DiagTable): Row[] {
  const now = openRows(later);
  return [...openRows(earlier)]
    .filter(([key, row]) => {
      const present = now.get(key);
      return present !== undefined && later.cookie(present) !== earlier.cookie(row);
    })
    .map(([, row]) => row);
}

describe.skipIf(missingNamespaces() !== undefined)('an address pair that was re-used', () => {
  async function withReopener(body: (child: ChildProcess) => Promise<void>): Promise<unknown> {
    const script = path.join(import.meta.dirname, 'clear_means/reopen.py');
    const child = spawn('unshare', ['--net', 'python3', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const gone = once(child, 'exit');
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      expect((await lines.next()).value).toMatch(/^ready/);
      await body(child);
      child.stdin?.end();
      return JSON.parse((await lines.next()).value);
    } finally {
      child.kill('SIGKILL');
      await gone;
    }
  }

  it(`is never hit by ${REQUESTS} attempts on its old sockets`, { timeout: LIMIT_MS, retry: 0 }, async () => {
    let requests = 0;
    let reused = 0;
    const report = await withReopener(async ({ pid = 0 }) => {
      const actor = { pid, name: 'reopener' } as Parameters<typeof diagOf>[0];
      const transport = diagOf(actor);
      let earlier = await tableOf(transport);
      for (let round = 0; requests < REQUESTS && round < MOST_ROUNDS; round++) {
        const later = await tableOf(transport);
        const rows = staleRows(earlier, later);
        // Each of them several times over: the pair changes hands meanwhile.
        const codes = await destroyRows(transport, earlier, [...rows, ...rows, ...rows]);
        expect(new Set(codes)).toEqual(new Set(rows.length > 0 ? [ENOENT] : []));
        const { where } = await lookupRows(transport, earlier, rows);
        for (const row of where) {
          expect(row).toBeLessThan(0);
          if (row === REUSED) reused++;
        }
        requests += codes.length;
        earlier = later;
      }
      transport.close();
    });
    expect(requests).toBeGreaterThanOrEqual(REQUESTS);
    expect(reused).toBeGreaterThan(1_000);
    expect(report).toMatchObject({ victims: [] });
    expect((report as { opened: number }).opened).toBeGreaterThan(1_000);
  });

  it('is reported as another identity, and left alone', { timeout: LIMIT_MS, retry: 0 }, async () => {
    const report = await withReopener(async ({ pid = 0 }) => {
      const actor = { pid, name: 'reopener', netnsInode: 7 } as Parameters<typeof diagOf>[0];
      const context = contextOf([actor]);
      const earlier = await tableOf(context.diag(7));
      let targets: ClearTarget[] = [];
      for (let round = 0; targets.length < 50 && round < MOST_ROUNDS; round++) {
        const rows = staleRows(earlier, await tableOf(context.diag(7)));
        targets = rows.map((row) => targetOf({ inode: 7, label: 'test', table: earlier }, row, []));
      }
      expect(targets.length).toBeGreaterThanOrEqual(50);
      const attempts = await destroy.apply(context, targets);
      const outcomes = attempts.map((attempt) => attempt?.outcome);
      // At the very moment of looking a pair may be between two connections.
      for (const outcome of outcomes) expect(['identity-changed', 'already-gone']).toContain(outcome);
      expect(outcomes.filter((outcome) => outcome === 'identity-changed').length).toBeGreaterThan(25);
      // One by one and all at once must see the same world.
      const few = await lookupSockets(context.diag(7), targets.slice(0, 40));
      const many = await lookupSockets(context.diag(7), Array.from({ length: 20 }, () => targets).flat());
      for (const found of [few, many.slice(0, 40)]) {
        expect(found.filter(({ kind }) => kind === 'reused').length).toBeGreaterThan(20);
        expect(found.filter(({ kind }) => kind === 'there')).toEqual([]);
      }
      context.close();
    });
    expect(report).toMatchObject({ victims: [] });
  });
});
