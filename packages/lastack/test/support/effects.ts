import { hostname, release } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { loadLibc } from '@lastack/kernel';
import type { Effects } from '../../src/effects.ts';

export interface CapturedEffects extends Effects {
  /** What was written so far. */
  written: { out: string; err: string };
}

/** The real kernel, with both streams captured; parts can be replaced by faulty ones. */
export function capturedEffects(argv: readonly string[], replaced: Partial<Effects> = {}): CapturedEffects {
  const written = { out: '', err: '' };
  const stream = (into: 'out' | 'err') => ({
    write: (text: Uint8Array | string) => {
      written[into] += typeof text === 'string' ? text : Buffer.from(text).toString();
    },
    isTerminal: false,
    columns: undefined,
  });
  return {
    argv,
    env: {},
    stdout: stream('out'),
    stderr: stream('err'),
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: (ms) => pause(ms),
    isInteractive: false,
    ask: async () => false,
    interruptible: () => ({ signal: new AbortController().signal, release: () => undefined }),
    hostname: hostname(),
    pid: process.pid,
    uid: process.geteuid?.() ?? 0,
    kernelRelease: release(),
    procRoot: '/proc',
    sysRoot: '/sys',
    compiled: () => undefined,
    libc: loadLibc,
    ...replaced,
    written,
  };
}
