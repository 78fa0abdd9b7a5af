import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import path from 'node:path';
import { COMMAND, ROOT } from '../../../../test/support/command.ts';

export { COMMAND, ensureBuilt } from '../../../../test/support/command.ts';

/** Built along with the command. */
export const LAB_ACTOR = path.join(ROOT, 'packages/lastack/dist/lab-actor.cjs');

export interface Outcome {
  /** Null when a signal ended it. */
  code: number | null;
  out: string;
  err: string;
}

export interface RunOptions extends Pick<SpawnOptions, 'env' | 'uid' | 'gid' | 'cwd'> {
  limitMs?: number;
}

const LIMIT_MS = 30_000;

export function start(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

/** Rejects when the process has not ended in time (it is ended then), so that a hang never looks like an answer. */
export function outcomeOf(child: ChildProcess, limitMs = LIMIT_MS): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const outcome: Outcome = { code: null, out: '', err: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      outcome.out += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      outcome.err += text;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`no end within ${limitMs} ms: ${child.spawnargs.join(' ')}`));
    }, limitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...outcome, code });
    });
  });
}

/** The built command, as a user runs it. */
export function lastack(args: readonly string[], { limitMs, ...options }: RunOptions = {}): Promise<Outcome> {
  return outcomeOf(start(process.execPath, [COMMAND, ...args], options), limitMs);
}
