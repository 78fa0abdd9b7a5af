import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type ClearTarget, TcpState, targetOf } from '@lastack/core';
import { type Actor, Lab } from '@lastack/lab';
import { describe, expect, it } from 'vitest';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { reset } from '../src/remedies/reset/mod.ts';
import { contextOf, diagOf, tableOf } from './clear_means/world.ts';
import { bundleResetRunner } from './support/bundle.ts';
import { outcomeOf, start } from './support/command.ts';
import { missingNamespaces, missingOtherUsers } from './support/privileged.ts';

const LIMIT_MS = 60_000;

/** Churns connections of the same address pairs and says which of them something else has ended. */
async function reopened(actor: Actor, during: (ports: readonly number[]) => Promise<void>) {
  const [program, ...args] = actor.enter(['python3', path.join(import.meta.dirname, 'clear_means/reopen.py')]);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const [, ...ports] = (await lines.next()).value.split(' ');
    await during(ports.map(Number));
    child.stdin.end();
    return JSON.parse((await lines.next()).value) as { opened: number; victims: string[] };
  } finally {
    child.stdin.end();
    await gone;
  }
}

describe.skipIf(missingNamespaces())('reset while address pairs are re-used', () => {
  it('hits no connection but those that were meant', { timeout: LIMIT_MS, retry: 0 }, async () => {
    const lab = new Lab({ actorFile: await bundleActor() });
    const context = contextOf(lab.actors);
    try {
      const actor = await lab.namespace('lab-reopen');
      const tried = new Set<string>();
      const outcomes = new Map<string, number>();
      const { opened, victims } = await reopened(actor, async () => {
        for (let round = 0; round < 10; round++) {
          const targets = await openTargets(actor);
          for (const { cookie } of targets) tried.add(String(cookie));
          for (const attempt of await reset.apply(context, targets)) {
            outcomes.set(attempt?.outcome ?? '', (outcomes.get(attempt?.outcome ?? '') ?? 0) + 1);
          }
        }
      });
      expect(opened).toBeGreaterThan(1_000);
      // Most have gone before their turn, and their addresses are in use again: those are left alone.
      expect(outcomes.get('identity-changed')).toBeGreaterThan(100);
      expect(victims.map(String).filter((cookie) => !tried.has(cookie))).toEqual([]);
    } finally {
      context.close();
      await lab.close();
    }
  });
});

async function openTargets(actor: Actor): Promise<ClearTarget[]> {
  const transport = diagOf(actor);
  try {
    const table = await tableOf(transport);
    const place = { inode: actor.netnsInode, label: actor.name, table };
    const rows = Array.from({ length: table.count }, (_, row) => row);
    return rows.filter((row) => table.state(row) === TcpState.ESTABLISHED).map((row) => targetOf(place, row, []));
  } finally {
    transport.close();
  }
}

describe.skipIf(missingOtherUsers())('reset without privilege', () => {
  it('says what it lacks and touches nothing', { timeout: LIMIT_MS }, async () => {
    const runner = await bundleResetRunner();
    const nobody = { uid: 65_534, gid: 65_534 };
    const { code, out, err } = await outcomeOf(start(process.execPath, [runner], nobody));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const refused = { outcome: 'not-permitted', todo: 'run as root or with CAP_NET_RAW' };
    expect(JSON.parse(out)).toMatchObject({ probe: refused, reset: [refused], path: refused, received: 1 });
  });
});
