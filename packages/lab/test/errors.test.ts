import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { LabError, runScenario, scenarioNamed } from '../src/mod.ts';
import { bundleActor, bundleRunner } from './actor-file.ts';
import { missingPrivilege } from './privileged.ts';

const LIMIT_MS = 30_000;

describe('what goes wrong is said in one line', () => {
  it('for an unknown scenario, with the likely ones', () => {
    expect(() => scenarioNamed('zero-window')).toThrow(LabError);
    expect(() => scenarioNamed('zero-window')).toThrow(
      /^there is no scenario "zero-window"; did you mean fin-wait-1-zero/,
    );
    expect(() => scenarioNamed('\u001b[31m')).toThrow('there is no scenario "\\u001b[31m"');
  });

  it('for a missing actor program', { timeout: LIMIT_MS }, async () => {
    const run = runScenario('fin-wait-2-held', { family: 4, actorFile: '/nonexistent.cjs' }, async () => undefined);
    await expect(run).rejects.toThrow(/^cannot start lab-\w+ \(\/nonexistent\.cjs\): Error: Cannot find module .*$/);
  });
});

describe.skipIf(missingPrivilege() !== undefined)('a missing program', () => {
  let actorFile = '';
  let runner = '';

  beforeAll(async () => {
    [actorFile, runner] = await Promise.all([bundleActor(), bundleRunner()]);
  });

  it('is named with the package that has it', { timeout: LIMIT_MS }, () => {
    const args = [runner, actorFile, 'fin-wait-2-held'];
    const { status, stderr } = spawnSync(process.execPath, args, { env: { PATH: '/nonexistent' }, encoding: 'utf8' });
    expect(stderr).toBe('LabError: cannot build the lab: the program `ip` is missing; install iproute2\n');
    expect(status).toBe(1);
  });
});
