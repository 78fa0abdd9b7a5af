import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nominalSpan, type Settings } from '@lastack/core';
import { type Actor, Lab, type ProcSocket, type World } from '@lastack/lab';
import { expect } from 'vitest';
import { LAB_ACTOR, lastack } from './command.ts';

export const LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 20;
/** For a machine that is busy with other things. */
export const BUSY_MS = 5_000;
/** Timers of the kernel have ticks. */
export const EARLY_MS = 50;

type MakeWorld = (lab: Lab, family: 4 | 6) => Promise<World>;

/** A world that ends with the body, whatever happens in it. */
export async function inWorld(
  make: MakeWorld,
  family: 4 | 6,
  body: (world: World, lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = new Lab({ actorFile: LAB_ACTOR });
  try {
    await body(await make(lab, family), lab);
  } finally {
    await lab.close();
  }
}

/** Sets with the built command, and gives the settings as it shows them afterwards. The journal is thrown away. */
export async function tuned(
  actor: Actor,
  assignments: readonly string[],
  more: readonly string[] = [],
): Promise<Settings> {
  const home = mkdtempSync(path.join(tmpdir(), 'lastack-tune-'));
  try {
    const netns = ['--netns', String(actor.netnsInode)];
    const env = { ...process.env, XDG_STATE_HOME: home };
    const { code, err } = await lastack(['tune', 'set', ...assignments, ...netns, '--yes', ...more], { env });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { out } = await lastack(['tune', 'show', ...netns, '--json'], { env });
    const shown = JSON.parse(out).settings as { name: string; value?: string }[];
    return Object.fromEntries(shown.map(({ name, value }) => [name, value === undefined ? undefined : Number(value)]));
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** Milliseconds from `started`, which is before the cause, until `look` finds nothing any more. */
export async function lifeWhile(started: number, look: () => Promise<unknown>): Promise<number> {
  for (;;) {
    const found = await look();
    const lived = performance.now() - started;
    if (found === undefined) return lived;
    if (lived > LIMIT_MS) expect.fail(`still there after ${LIMIT_MS} ms: ${JSON.stringify(found)}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Milliseconds from `started`, which is before the cause, until no socket of the namespace is as given. */
export function lifeOf(
  actor: Actor,
  family: 4 | 6,
  started: number,
  isOne: (socket: ProcSocket) => boolean,
): Promise<number> {
  return lifeWhile(started, async () => (await actor.call('sockets', { family })).find(isOne));
}

export function expectInside(lifeMs: number, name: string, settings: Settings): void {
  const span = nominalSpan(name, settings);
  if (!span) expect.fail(`no forecast for ${name}`);
  expect(lifeMs).toBeGreaterThan(span.earliestMs - EARLY_MS);
  expect(lifeMs).toBeLessThan(span.latestMs + BUSY_MS);
}

export const inState = (state: number) => (socket: ProcSocket) => socket.state === state;
export const isPort = (port: number) => (socket: ProcSocket) => socket.local.port === port;
