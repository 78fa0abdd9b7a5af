import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';

export const ROOT = path.join(import.meta.dirname, '../..');
export const COMMAND = path.join(ROOT, 'packages/lastack/bin/lastack.cjs');

/** Builds the command when a source is newer than it. Under a lock: test files run side by side. */
export function ensureBuilt(): void {
  const step = "import('./scripts/lib/steps.mjs').then((steps) => steps.build())";
  const lock = path.join(ROOT, 'node_modules/.lastack-build-lock');
  execFileSync('flock', [lock, process.execPath, '-e', step], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
}

export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

export interface RunOptions {
  limitMs?: number;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end; one that takes longer than the limit (a minute) is ended and gives the code null. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { limitMs = 60_000, ...where } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...where, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    const outcome: Outcome = { code: null, out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      outcome.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      outcome.err += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...outcome, code }));
  });
}

export function lastack(args: readonly string[], options?: RunOptions): Promise<Outcome> {
  return run(process.execPath, [COMMAND, ...args], options);
}
