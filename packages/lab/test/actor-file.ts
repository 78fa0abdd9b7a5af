import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const PACKAGE = join(import.meta.dirname, '..');
const CACHE = join(PACKAGE, '../../node_modules/.cache/lastack-lab');

/** Builds one source file of the lab into a program of its own; koffi stays outside, it carries a binary. */
async function bundle(source: string, name: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `${name}.cjs`);
  // Test files run side by side: none may see another's half-written program.
  const mine = `${file}.${process.pid}`;
  await build({
    entryPoints: [join(PACKAGE, source)],
    outfile: mine,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['koffi'],
    logLevel: 'error',
  });
  renameSync(mine, file);
  return file;
}

export function bundleActor(): Promise<string> {
  return bundle('src/actor/main.ts', 'lab-actor');
}

/** A small program that runs one scenario and waits, for tests of what is left when it is killed. */
export function bundleRunner(): Promise<string> {
  return bundle('test/runner.ts', 'lab-runner');
}
