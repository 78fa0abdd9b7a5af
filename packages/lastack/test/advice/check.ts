import { setTimeout as sleep } from 'node:timers/promises';
import { type Actor, type AddressPair, Lab, type LabSettings, type World } from '@lastack/lab';
import { expect, it } from 'vitest';
import { bundleActor } from '../../../lab/test/actor-file.ts';
import { type SsLine, ss } from '../support/ss.ts';

const LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 50;

/** A test that verdicts name in `checkedBy`: its id is the beginning of its name. */
export function check(id: string, what: string, body: (context: { skip(note: string): never }) => Promise<void>): void {
  it(`${id}: ${what}`, { timeout: LIMIT_MS }, body as never);
}

/** A lab that ends with the body, whatever happens in it. */
export async function inLab(body: (lab: Lab) => Promise<void>, settings: LabSettings = {}): Promise<void> {
  const lab = new Lab({ actorFile: await bundleActor(), settings });
  try {
    await body(lab);
  } finally {
    await lab.close();
  }
}

/** What `ss` says of one socket; undefined when it is gone. */
export async function seen(actor: Actor, { local, remote }: AddressPair): Promise<SsLine | undefined> {
  return (await ss(actor)).get(`${written(local)} ${written(remote)}`);
}

export async function stateOf(actor: Actor, pair: AddressPair): Promise<string | undefined> {
  return (await seen(actor, pair))?.state;
}

function written({ address, port }: AddressPair['local']): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** Waits until the socket is in this state (undefined: gone); gives how long that took. */
export async function untilState(
  actor: Actor,
  pair: AddressPair,
  wanted: string | undefined,
  limitMs = 20_000,
): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const state = await stateOf(actor, pair);
    if (state === wanted) return performance.now() - begin;
    if (performance.now() - begin > limitMs) {
      expect.fail(`still ${state} after ${limitMs} ms, not ${wanted ?? 'gone'}`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

export const mirrored = ({ local, remote }: AddressPair): AddressPair => ({ local: remote, remote: local });

/** Runs a program inside the namespace; anything but exit code 0 is a failure of the test. */
export async function run(actor: Actor, file: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await actor.run(file, args);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** The JSON that a Python program prints, run inside the namespace. */
export async function python<T>(actor: Actor, program: string, ...args: string[]): Promise<T> {
  return JSON.parse(await run(actor, 'python3', ['-c', program, ...args])) as T;
}

/** Sets settings of net.ipv4 in one namespace. */
export function set(actor: Actor, values: Record<string, number | string>): Promise<void> {
  const paths = Object.entries(values).map(([name, value]) => [`ipv4/${name}`, value]);
  return actor.call('setSysctl', { values: Object.fromEntries(paths) });
}

export async function has(actor: Actor, name: string): Promise<boolean> {
  return actor.call('getSysctl', { name: `ipv4/${name}` }).then(
    () => true,
    () => false,
  );
}

/** Adds a rule to a chain of the namespace's own, at this hook. */
export async function addRule(actor: Actor, hook: 'input' | 'output', rule: string): Promise<void> {
  await run(actor, 'nft', [
    `table inet advice { chain ${hook} { type filter hook ${hook} priority 0; policy accept; ${rule}; }; }`,
  ]);
}

export function cutBoth({ cut }: World): Promise<void> {
  if (!cut) throw new Error('nothing stands between these two');
  return cut('both');
}
