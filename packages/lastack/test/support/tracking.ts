import type { Actor } from '@lastack/lab';
import { expect } from 'vitest';
import type { Connection } from '../../../lab/src/connection.ts';

/** Connections are tracked from here on, and what the tracker calls invalid is counted. */
const TRACKING = `table inet tracking {
  counter invalid { }
  chain in { type filter hook input priority 0; ct state invalid counter name invalid; }
  chain out { type filter hook output priority 0; ct state invalid counter name invalid; }
}`;

export async function track(actor: Actor): Promise<void> {
  await run(actor, 'nft', [TRACKING]);
}

/** One connection as the conntrack program shows it. */
export interface Tracked {
  seconds: number;
  state: string;
}

export async function tracked(
  actor: Actor,
  { clientPort, servicePort }: Pick<Connection, 'clientPort' | 'servicePort'>,
): Promise<Tracked | undefined> {
  const lines = (await run(actor, 'conntrack', ['-L', '-p', 'tcp'])).split('\n');
  const ports = [` sport=${clientPort} dport=${servicePort} `, ` sport=${servicePort} dport=${clientPort} `];
  const line = lines.find((text) => ports.some((one) => text.includes(one)));
  const [, , seconds, state] = line?.split(/\s+/) ?? [];
  return state === undefined ? undefined : { seconds: Number(seconds), state };
}

/** The tracker forgets everything. */
export async function forget(actor: Actor): Promise<void> {
  await run(actor, 'conntrack', ['-F']);
}

/** Segments that the tracker called invalid so far. */
export async function invalids(actor: Actor): Promise<number> {
  const text = await run(actor, 'nft', ['list', 'counter', 'inet', 'tracking', 'invalid']);
  return Number(/packets (\d+)/.exec(text)?.[1]);
}

async function run(actor: Actor, file: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await actor.run(file, args);
  expect({ file, code, stderr: code === 0 ? '' : stderr }).toEqual({ file, code: 0, stderr: '' });
  return stdout;
}
