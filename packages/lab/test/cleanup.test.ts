import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Lab, runScenario, scenarioNamed } from '../src/mod.ts';
import { bundleActor, bundleRunner } from './actor-file.ts';
import { missingPrivilege } from './privileged.ts';

const LIMIT_MS = 60_000;
const GONE_LIMIT_MS = 10_000;

interface Standing {
  pids: number[];
}

function namespaceOf(pid: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Every process in one of these namespaces, and the namespaces themselves as lsns counts them. */
function remains(namespaces: ReadonlySet<string>): string[] {
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && namespaces.has(namespaceOf(pid) ?? ''));
  const listed = spawnSync('lsns', ['--type', 'net', '--noheadings', '--output', 'NS'], { encoding: 'utf8' });
  const kept = listed.stdout.split(/\s+/).filter((inode) => namespaces.has(`net:[${inode}]`));
  return [...processes.map((pid) => `process ${pid}`), ...kept.map((inode) => `namespace ${inode}`)];
}

async function expectNothingLeft(namespaces: ReadonlySet<string>): Promise<void> {
  const until = Date.now() + GONE_LIMIT_MS;
  while (remains(namespaces).length > 0 && Date.now() < until) await sleep(100);
  expect(remains(namespaces)).toEqual([]);
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0] ?? '';
}

describe.skipIf(missingPrivilege() !== undefined)('nothing is left', () => {
  let actorFile = '';
  let runner = '';

  beforeAll(async () => {
    [actorFile, runner] = await Promise.all([bundleActor(), bundleRunner()]);
  });

  /** The forked holder has a process more than the lab knows of. */
  async function startRunner(...more: string[]) {
    const child = spawn(process.execPath, [runner, actorFile, 'forked-holder', ...more], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { pids } = JSON.parse(await firstLine(child)) as Standing;
    return { child, namespaces: new Set(pids.map((pid) => namespaceOf(pid) ?? 'gone')) };
  }

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('after %s of the lab', { timeout: LIMIT_MS }, async (signal) => {
    const { child, namespaces } = await startRunner();
    expect(namespaces.size).toBe(2);
    expect(remains(namespaces)).toHaveLength(5);
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
    await expectNothingLeft(namespaces);
  });

  it('after a crash of the lab', { timeout: LIMIT_MS }, async () => {
    const { child, namespaces } = await startRunner('throw');
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    await expectNothingLeft(namespaces);
  });

  async function namespacesDuring(run: (note: (pid: number) => void) => Promise<unknown>): Promise<Set<string>> {
    const namespaces = new Set<string>();
    await run((pid) => namespaces.add(namespaceOf(pid) ?? 'gone'));
    return namespaces;
  }

  it('after the normal end', { timeout: LIMIT_MS }, async () => {
    const namespaces = await namespacesDuring((note) =>
      runScenario('fin-wait-2-held', { family: 4, actorFile }, async ({ observeIn }) => note(observeIn.pid)),
    );
    expect([...namespaces]).toEqual([expect.stringMatching(/^net:\[\d+\]$/)]);
    await expectNothingLeft(namespaces);
  });

  it('after an exception in the body, which comes through', { timeout: LIMIT_MS }, async () => {
    const namespaces = await namespacesDuring(async (note) => {
      const run = runScenario('fin-wait-2-held', { family: 4, actorFile }, async ({ observeIn }) => {
        note(observeIn.pid);
        throw new Error('the body failed');
      });
      await expect(run).rejects.toThrow('the body failed');
    });
    await expectNothingLeft(namespaces);
  });

  it('after an interruption, with the reason as the error', { timeout: LIMIT_MS }, async () => {
    const controller = new AbortController();
    const namespaces = await namespacesDuring(async (note) => {
      const run = runScenario('fin-wait-2-held', { family: 4, actorFile, signal: controller.signal }, async (stage) => {
        note(stage.observeIn.pid);
        controller.abort(new Error('interrupted by the test'));
        await sleep(LIMIT_MS);
      });
      await expect(run).rejects.toThrow('interrupted by the test');
    });
    await expectNothingLeft(namespaces);
  });

  it('after it was kept and then interrupted, which is no error', { timeout: LIMIT_MS }, async () => {
    const controller = new AbortController();
    const namespaces = await namespacesDuring(async (note) => {
      const options = { family: 4, actorFile, keep: true, signal: controller.signal } as const;
      const run = runScenario('fin-wait-2-held', options, async ({ observeIn }) => {
        note(observeIn.pid);
        setTimeout(() => controller.abort(), 200);
        return 'the result of the body';
      });
      await expect(run).resolves.toBe('the result of the body');
    });
    await expectNothingLeft(namespaces);
  });

  it('after an interruption while the lab is being built', { timeout: LIMIT_MS }, async () => {
    const signal = AbortSignal.timeout(80);
    const lab = new Lab({ actorFile });
    const building = scenarioNamed('fin-wait-1-blackhole').run(lab, { family: 4 });
    building.catch(() => undefined);
    await once(signal, 'abort');
    await lab.close();
    await expect(building).rejects.toThrow();
    const pids = lab.actors.map(({ pid }) => pid);
    expect(pids.map(namespaceOf)).toEqual(pids.map(() => undefined));
  });
});
