/**
 * A small program around the journal, for tests of what is left when it is killed or the disk is full:
 * `journal-runner.cjs append COUNT` appends so many entries and prints their numbers;
 * `journal-runner.cjs full DIRECTORY` mounts a tiny file system there (in a private mount namespace) and fills it;
 * `journal-runner.cjs read-only` makes /proc/sys read-only (in a private mount namespace) and asks whether it may sweep;
 * `journal-runner.cjs sweep NAMESPACE` sweeps every orphan of that namespace.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Row, targetOf } from '@lastack/core';
import type { Effects } from '../../src/effects.ts';
import { applyContext } from '../../src/engine/apply_context.ts';
import { closeNamespaces, observe } from '../../src/engine/observation.ts';
import { openJournal } from '../../src/journal/open.ts';
import { sweepOrphans } from '../../src/remedies/sweep-orphans/mod.ts';
import { isGoverned } from '../../src/remedies/sweep-orphans/reach.ts';
import { capturedEffects } from './effects.ts';

async function main([mode, value = '']: string[]): Promise<unknown> {
  const effects = capturedEffects([], { env: process.env });
  if (mode === 'append') return append(effects, Number(value));
  if (mode === 'full') return full(effects, value);
  if (mode === 'read-only') return readOnly(effects);
  return sweep(effects, Number(value));
}

function append(effects: Effects, count: number): number[] {
  const journal = openJournal(effects);
  return Array.from({ length: count }, (_, index) => {
    const id = journal.begin({ action: 'test', summary: `entry ${index}` });
    journal.end(id, { action: 'test', summary: 'done' });
    return id;
  });
}

/** Fills the file system with entries until one is refused, then makes room and goes on. */
function full(effects: Effects, directory: string) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
  const ballast = path.join(directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(16_384));
  const journal = openJournal({ ...effects, env: { XDG_STATE_HOME: directory } });
  let written = 0;
  let refusal: unknown;
  const draft = { action: 'test', summary: 'x'.repeat(1500) };
  while (refusal === undefined && written < 1000) {
    try {
      journal.begin(draft);
      written++;
    } catch (error) {
      refusal = error;
    }
  }
  const before = journal.read();
  journal.end(1, draft);
  rmSync(ballast);
  const next = journal.begin(draft);
  const after = journal.read();
  return {
    written,
    name: (refusal as Error).name,
    message: (refusal as Error).message,
    before: { count: before.entries.length, damaged: before.damagedLines },
    after: { count: after.entries.length, damaged: after.damagedLines },
    next,
    warnings: (effects as ReturnType<typeof capturedEffects>).written.err,
  };
}

/** As a container has it. */
function readOnly(effects: Effects) {
  execFileSync('mount', ['--bind', '/proc/sys', '/proc/sys']);
  execFileSync('mount', ['-o', 'remount,bind,ro', '/proc/sys']);
  return sweepOrphans.probe?.(effects);
}

async function sweep(effects: Effects, namespaceInode: number) {
  const observation = await observe(effects, [namespaceInode]);
  const [namespace] = observation.namespaces;
  const rows = Array.from({ length: namespace.table.count }, (_, row): Row => row);
  const targets = rows.filter((row) => isGoverned(namespace.table, row)).map((row) => targetOf(namespace, row, []));
  const journal = openJournal(effects);
  const context = applyContext(effects, observation, journal, new AbortController().signal, () => undefined);
  process.stdout.write('ready\n');
  const attempts = await sweepOrphans.apply(context, targets);
  closeNamespaces(observation.namespaces);
  return attempts;
}

main(process.argv.slice(2)).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
