// Steps shared by `npm start`, `npm test` and `npm run bench`. Each does nothing when it was done before.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const command = path.join(root, 'packages/lastack/bin/lastack.cjs');

/** Ends the process with one line when `program` fails. */
export function run(program, args, { what, todo, quiet = false, env = process.env } = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit', env });
  if (result.status === 0) return result;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const why = result.error?.message ?? (result.signal ? `killed by ${result.signal}` : `exit code ${result.status}`);
  process.stderr.write(`${what ?? [program, ...args].join(' ')} failed: ${why}${todo ? `; ${todo}` : ''}\n`);
  process.exit(result.status || 1);
}

/** Installs node_modules from the lock file, unless it is there already for this very lock file. */
export function install() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  const stamp = path.join(root, 'node_modules/.lastack-installed');
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write('installing packages …\n');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    what: 'npm ci',
    todo: 'check that the npm registry can be reached',
    quiet: true,
  });
  writeFileSync(stamp, wanted);
}

/** Bundles the command, unless the bundle is newer than every source. */
export async function build() {
  const { STAMP, bundle } = await import('../build.mjs');
  if (existsSync(STAMP) && statSync(STAMP).mtimeMs > newestSource()) return;
  process.stderr.write('building …\n');
  await bundle();
}

function newestSource() {
  const sources = [path.join(root, 'package-lock.json'), path.join(root, 'scripts/build.mjs')];
  for (const name of readdirSync(path.join(root, 'packages'))) {
    for (const part of ['src', 'wasm', 'package.json']) {
      const source = path.join(root, 'packages', name, part);
      if (!existsSync(source)) continue;
      sources.push(source);
      if (!statSync(source).isDirectory()) continue;
      for (const entry of readdirSync(source, { recursive: true })) sources.push(path.join(source, entry));
    }
  }
  return sources.reduce((latest, file) => Math.max(latest, statSync(file).mtimeMs), 0);
}

const DEBIAN_PACKAGES = [
  { program: 'ss', package: 'iproute2', use: 'namespaces of the tests, and ss as their oracle' },
  { program: 'gcc', package: 'gcc', use: 'offsets of C structures as an oracle' },
  { program: 'python3', package: 'python3', use: 'an independent program to be diagnosed' },
  { program: 'nft', package: 'nftables', use: 'firewalls of the lab, and what lastack block runs' },
  { program: 'conntrack', package: 'conntrack', use: 'connection tracking as an oracle' },
  { program: 'sysctl', package: 'procps', use: 'the order of the files of sysctl.d as an oracle' },
  { program: 'unshare', package: 'util-linux', use: 'throw-away namespaces' },
  { header: '/usr/include/linux/inet_diag.h', package: 'linux-libc-dev', use: 'C structures of the kernel interface' },
  { header: '/usr/include/stdio.h', package: 'libc6-dev', use: 'compiling against them' },
];

/** The system packages the tests need: installed as root on Debian, otherwise named. */
export function systemPackages() {
  const missing = DEBIAN_PACKAGES.filter((need) => (need.header ? !existsSync(need.header) : !onPath(need.program)));
  if (missing.length === 0) return;
  const names = missing.map((need) => need.package);
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    const list = missing.map((need) => `${need.package} (${need.use})`).join(', ');
    process.stderr.write(`the tests need these Debian packages: ${list}; run: apt-get install ${names.join(' ')}\n`);
    process.exit(3);
  }
  process.stderr.write(`installing ${names.join(', ')} …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-q'], { quiet: true, env });
  run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...names], { quiet: true, env });
}

function onPath(program) {
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin');
  return folders.some((folder) => folder !== '' && existsSync(path.join(folder, program)));
}
