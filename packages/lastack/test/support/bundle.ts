import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const PACKAGE = path.join(import.meta.dirname, '../..');
const CACHE = path.join(PACKAGE, '../../node_modules/.cache/lastack-tests');

/** Builds one source file of this package into a program of its own; koffi stays outside, it carries a binary. */
export async function bundle(source: string, name: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const file = path.join(CACHE, `${name}.cjs`);
  // Test files run side by side: none may see another's half-written program.
  const mine = `${file}.${process.pid}`;
  await build({
    entryPoints: [path.join(PACKAGE, source)],
    outfile: mine,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    external: ['koffi'],
    banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': '__moduleUrl' },
    logLevel: 'error',
  });
  renameSync(mine, file);
  return file;
}

export const bundleJournalRunner = (): Promise<string> => bundle('test/support/journal_runner.ts', 'journal-runner');
export const bundleResetRunner = (): Promise<string> => bundle('test/support/reset_runner.ts', 'reset-runner');
export const bundleTuneRunner = (): Promise<string> => bundle('test/support/tune_runner.ts', 'tune-runner');
