// `npm test`: installs and builds what is not yet there, then runs every check. Fails when any of them fails.

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build, install, root, run, systemPackages } from './lib/steps.mjs';

install();
systemPackages();
await build();
run('npx', ['--no-install', 'tsc', '-p', '.'], { what: 'type check' });
run('npx', ['--no-install', 'biome', 'check', '--error-on-warnings', '.'], { what: 'lint and format check' });

const results = path.join(root, 'node_modules/.lastack-tests.json');
rmSync(results, { force: true });
const vitest = spawnSync(
  'npx',
  ['--no-install', 'vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`],
  { cwd: root, stdio: 'inherit' },
);
const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(results, 'utf8'));
process.stdout.write(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped\n`);
process.exitCode = vitest.status ?? 1;
