import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LabPrivilege } from '../src/mod.ts';
import { bundleActor, bundleRunner } from './actor-file.ts';

const NOBODY = { uid: 65_534, gid: 65_534 };
const LIMIT_MS = 60_000;
const isRoot = process.getuid?.() === 0;

function skipReason(): string | undefined {
  if (isRoot) return undefined;
  if (process.env.CI) throw new Error('only root can start a program as another user: run CI as root');
  return 'only root can start a program as another user';
}

describe.skipIf(skipReason() !== undefined)('for a user without any capability', () => {
  let actorFile = '';
  let runner = '';

  beforeAll(async () => {
    [actorFile, runner] = await Promise.all([bundleActor(), bundleRunner()]);
  });

  function privilegeOfNobody(): LabPrivilege {
    const { stdout, stderr } = spawnSync(process.execPath, [runner, 'privilege'], { ...NOBODY, encoding: 'utf8' });
    if (stdout === '') throw new Error(`nobody cannot run the lab: ${stderr.slice(0, 300)}`);
    return JSON.parse(stdout) as LabPrivilege;
  }

  it('it is either possible through a user namespace or says why not', { timeout: LIMIT_MS }, () => {
    const privilege = privilegeOfNobody();
    if (privilege.kind === 'none')
      expect(privilege.because).toMatch(/needs root or a user namespace: .+; run it as root/);
    else
      expect(privilege).toMatchObject({
        kind: 'user-namespace',
        prefix: ['unshare', '--user', '--map-root-user', '--net', '--'],
      });
  });

  it('builds a scenario there', { timeout: LIMIT_MS }, async ({ skip }) => {
    const privilege = privilegeOfNobody();
    if (privilege.kind !== 'user-namespace') return skip('user namespaces are not allowed here');
    const [program = '', ...prefix] = privilege.prefix;
    const args = [...prefix, process.execPath, runner, actorFile, 'fin-wait-1-blackhole-path-orphan'];
    const child = spawn(program, args, { ...NOBODY, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { pids } = JSON.parse(line) as { pids: number[] };
    const names = pids.map((pid) => readFileSync(`/proc/${pid}/comm`, 'latin1').trim());
    const owners = pids.map((pid) => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    expect(names.sort()).toEqual(['lab-client', 'lab-router', 'lab-server']);
    expect(new Set(owners)).toEqual(new Set([String(NOBODY.uid)]));
  });
});
