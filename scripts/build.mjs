// Bundles each command into one file, so that it starts fast. `npm run build`
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const DIST = 'packages/lastack/dist';
const MAIN = 'packages/lastack/src/main.ts';
const ACTOR = 'packages/lab/src/actor/main.ts';

/** What is run for each command's code cache: harmless anywhere, and most of what the command usually does. */
const COMMANDS = {
  doctor: ['--own-netns'],
  ls: ['ls'],
  why: ['why', ':1'],
  clear: ['clear', 'state', 'time-wait', '--dry-run'],
  port: ['port', '--pressure'],
  block: ['block', 'list'],
  retune: ['retune', 'sport', '=', ':1', '--keepalive', '60/10/5', '--dry-run'],
  tune: ['tune'],
  explain: ['explain', 'close-wait'],
  journal: ['journal'],
  undo: ['undo', '--dry-run'],
  lab: ['lab', 'list'],
};

/** Leaves only one command in the program: what nothing else of it uses is left out of the bundle. */
const oneCommand = (word) => ({
  name: 'one-command',
  setup(build) {
    build.onLoad({ filter: /\/lastack\/src\/cli\/commands\.ts$/ }, ({ path: file }) => {
      const lines = readFileSync(file, 'utf8').split('\n');
      const contents = lines.find((line) => line.startsWith('export') && line.includes(` as ${word} }`));
      if (!contents) throw new Error(`${file} names no command '${word}'`);
      return { contents, loader: 'ts', resolveDir: path.dirname(file) };
    });
  },
});

/** Commander loads node:child_process for a feature that lastack does not use, at a tenth of the start-up time. */
const withoutChildProcess = {
  name: 'commander-without-child-process',
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/node_modules/commander/') ? { path: 'none', namespace: 'empty' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: '' }));
  },
};

/** Found by Node at run time, koffi's script would be searched for and compiled at every start. */
const koffiInside = {
  name: 'koffi-inside',
  setup(build) {
    build.onLoad({ filter: /\/kernel\/src\/sys\/koffi\.ts$/ }, () => ({
      contents: "export const requireKoffi = () => require('koffi');",
    }));
  },
};

/**
 * The package that carries koffi's binary has a script that reads Node's own ELF header to choose between two C libraries.
 * Compiling it takes longer than trying the usual one; where that does not load, the script decides.
 */
const koffiBinary = {
  name: 'koffi-binary',
  setup(build) {
    build.onResolve({ filter: /^@koromix\/koffi-linux-/, namespace: 'file' }, ({ path: name }) => ({
      path: name,
      namespace: 'koffi-binary',
    }));
    build.onLoad({ filter: /.*/, namespace: 'koffi-binary' }, ({ path: name }) => ({
      contents: `
        const { dirname, join } = require('node:path');
        const load = require;
        try {
          const folder = dirname(load.resolve('${name}/package.json'));
          process.dlopen(module, join(folder, '${name.replace(/.*koffi-linux-/, 'linux_')}', 'koffi.node'));
        } catch {
          module.exports = load('${name}');
        }`,
    }));
  },
};

/** Reading addresses in a filter: its tables take milliseconds to make, and most filters hold no address. */
const ADDRESS_PACKAGE = 'ipaddr.js';

const addressesLater = {
  name: 'addresses-later',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${ADDRESS_PACKAGE}$`) }, ({ namespace }) =>
      namespace === 'later' ? undefined : { path: ADDRESS_PACKAGE, namespace: 'later' },
    );
    build.onLoad({ filter: /.*/, namespace: 'later' }, ({ path: name }) => ({
      contents: `export default { get IPv6() { return require('${name}').IPv6; } };`,
      resolveDir: root,
    }));
  },
};

/** Functions of built-in modules that few commands call: loaded on the first call, for loading takes milliseconds. */
const RARE = { 'node:crypto': ['randomInt'], 'node:net': ['isIPv4', 'isIPv6'] };

const rareBuiltins = {
  name: 'rare-builtins',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(${Object.keys(RARE).join('|')})$`) }, ({ path: name, importer }) =>
      // The lab's actors do more with them than these.
      importer.includes('/lab/src/actor/') ? undefined : { path: name, namespace: 'rare' },
    );
    build.onLoad({ filter: /.*/, namespace: 'rare' }, ({ path: name }) => ({
      contents: RARE[name]
        .map((call) => `export const ${call} = (...all) => process.getBuiltinModule('${name}').${call}(...all);`)
        .join('\n'),
    }));
  },
};

/** Written last: whoever finds it, newer than the sources, finds everything else. */
export const STAMP = path.join(root, DIST, '.built');

export async function bundle() {
  // V8 tells a text from another by its length only.
  for (const name of filesIn(DIST)) if (name.endsWith('.cache')) rmSync(path.join(root, DIST, name));
  await bundleOne(ACTOR, 'lab-actor');
  for (const word of Object.keys(COMMANDS)) await bundleOne(MAIN, word, [oneCommand(word)]);
  await bundleOne(MAIN, 'lastack');
  for (const [name, source] of Object.entries(COMPILED)) await compile(source, `${DIST}/${name}.wasm`);
  removeStrangers();
  writeCodeCaches();
  writeFileSync(STAMP, '');
}

function filesIn(folder) {
  return existsSync(path.join(root, folder)) ? readdirSync(path.join(root, folder)) : [];
}

/** What an earlier build made and this one does not: a command that is no more would still be found. */
function removeStrangers() {
  const programs = ['lab-actor', 'lastack', ...Object.keys(COMMANDS)].map((name) => `${name}.cjs`);
  const made = new Set([...programs, ...Object.keys(COMPILED).map((name) => `${name}.wasm`)]);
  for (const name of filesIn(DIST)) if (!made.has(name)) rmSync(path.join(root, DIST, name));
}

async function bundleOne(entry, name, plugins = []) {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: { [name]: entry },
    outdir: DIST,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    // koffi's own script is bundled; the packages that carry its binary are not.
    external: ['@koromix/*'],
    plugins: [...plugins, withoutChildProcess, koffiInside, koffiBinary, addressesLater, rareBuiltins],
    // The bundle is CommonJS (it starts faster); sources may still say import.meta.url.
    banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': '__moduleUrl' },
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  checkAscii(`${DIST}/${name}.cjs`);
}

/** bin/lastack.cjs reads it as such. esbuild escapes everything else but in regular expressions. */
function checkAscii(name) {
  const text = readFileSync(path.join(root, name), 'latin1');
  const found = /.{0,40}[\u0080-\u00ff].{0,40}/.exec(text);
  if (found) throw new Error(`${name} is not all ASCII, write \\u escapes: ${Buffer.from(found[0], 'latin1')}`);
}

/** What is fast from its first call on: see CompiledPart in effects.ts. */
const COMPILED = {
  reply_lines: 'packages/lastack/wasm/reply_lines.ts',
  pack_rows: 'packages/kernel/wasm/pack_rows.ts',
};

/** AssemblyScript to WebAssembly. */
async function compile(source, target) {
  const { main } = await import('assemblyscript/asc');
  const options = ['-O3', '--runtime', 'stub', '--noAssert', '--baseDir', root, '--outFile', target];
  const { error, stderr } = await main([source, ...options]);
  if (error) throw new Error(`compiling ${source}: ${stderr.toString()}`);
}

/** What has real sockets to deal with: by scenario of the lab, in namespaces of their own, which not everyone may make. */
const CACHED_AT_WORK = [
  ['time-wait-port-pressure', ['clear', 'state', 'time-wait', '--yes', '--max', '100000']],
  ['healthy-busy', ['ls']],
  ['close-wait-close-forgotten', ['--own-netns']],
];

/** The functions that these runs compile are kept for all later runs, with those that were there before. */
function writeCodeCaches() {
  // A journal of its own: the next run after an interrupted one completes it, and a build is not the time for that.
  const state = mkdtempSync(path.join(tmpdir(), 'lastack-build-'));
  const lastack = [process.execPath, path.join(root, 'packages/lastack/bin/lastack.cjs')];
  const env = { ...process.env, XDG_STATE_HOME: state };
  const writing = 'LASTACK_CODE_CACHE=write';
  const run = (...argv) => spawnSync('env', argv, { env, stdio: 'ignore', timeout: 30_000 });
  try {
    for (const command of [['--help'], ...Object.values(COMMANDS)]) run(writing, ...lastack, ...command);
    for (const [scenario, command] of CACHED_AT_WORK) {
      run(...lastack, 'lab', 'run', scenario, '--', 'env', writing, ...lastack, ...command);
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  bundle().catch((error) => {
    process.stderr.write(`build failed: ${error.message}\n`);
    process.exitCode = 1;
  });
}
