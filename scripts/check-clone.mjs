// `npm run check-clone`: clones HEAD into a temporary folder and calls `npm start -- explain close-wait` there, with an
// empty home folder and an empty npm cache, as on a machine that has never seen this project. What is not committed is
// not in it. Needs the npm registry.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './lib/steps.mjs';

const place = mkdtempSync(path.join(tmpdir(), 'lastack-clone-'));
const clone = path.join(place, 'lastack');
const home = path.join(place, 'home');
mkdirSync(home);

// Settings of the outer npm arrive as npm_* variables; where its registry is must still be known.
const registry = process.env.npm_config_registry;
const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
const env = {
  ...Object.fromEntries(kept),
  HOME: home,
  npm_config_cache: path.join(place, 'cache'),
  ...(registry && { npm_config_registry: registry }),
};

function step(program, args, cwd) {
  const started = performance.now();
  const result = spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: 600_000 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${program} ${args.join(' ')}: exit code ${result.status} after ${seconds} s\n`);
  if (result.status === 0) return result.stdout;
  throw new Error(`${result.error?.message ?? ''}${result.stdout}${result.stderr}`);
}

try {
  step('git', ['clone', '--quiet', '--no-local', root, clone], place);
  const first = step('npm', ['start', '--', 'explain', 'close-wait'], clone);
  if (!first.includes('CLOSE_WAIT')) throw new Error(`this is no explanation of CLOSE_WAIT:\n${first}`);
  step('npm', ['start', '--', 'ls', 'state', 'close-wait'], clone);
  step('npx', ['--no-install', 'lastack', '--version'], clone);
  const dirty = step('git', ['status', '--porcelain'], clone);
  if (dirty !== '') throw new Error(`installing and building changed tracked files:\n${dirty}`);
  process.stdout.write('a fresh clone works\n');
} catch (error) {
  process.stderr.write(`a fresh clone does not work: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
