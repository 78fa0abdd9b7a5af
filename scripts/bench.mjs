// `npm run bench [-- speed|forecast [SCENARIO ...]|clear]`: installs and builds what is not yet there, then measures and prints tables.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build, command, install, root } from './lib/steps.mjs';

install();
await build();
const program = path.join(root, 'node_modules/.cache/lastack-bench/bench.cjs');
await bundleBench(program);
const actor = path.join(root, 'packages/lastack/dist/lab-actor.cjs');
const result = spawnSync(process.execPath, [program, command, actor, ...process.argv.slice(2)], { stdio: 'inherit' });
process.exitCode = result.status ?? 1;

async function bundleBench(outfile) {
  const { build: bundle } = await import('esbuild');
  await bundle({
    absWorkingDir: root,
    entryPoints: ['bench/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    // koffi carries a binary.
    external: ['koffi'],
    banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': '__moduleUrl' },
    logLevel: 'warning',
  });
}
