import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

interface Koffi {
  load(path: string | null): { func(prototype: string): (...args: unknown[]) => number };
}

function libcFunction(prototype: string): (...args: unknown[]) => number {
  return (createRequire(import.meta.url)('koffi') as Koffi).load(null).func(prototype);
}

/** A real pipe, as a shell makes one (`stdio: 'pipe'` is a socket pair), emptied by `cat >/dev/null`. */
export class DrainedPipe {
  /** Give this as a child's standard output. */
  readonly writeFd: number;
  readonly #cat: ChildProcess;

  constructor() {
    const ends = new Int32Array(2);
    const closeOnExec = 0o2000000;
    if (libcFunction('int pipe2(int *ends, int flags)')(ends, closeOnExec) < 0) throw new Error('no pipe');
    const [readFd, writeFd] = ends;
    this.writeFd = writeFd;
    this.#cat = spawn('cat', [], { stdio: [readFd, openNull(), 'ignore'] });
    closeSync(readFd);
  }

  async close(): Promise<void> {
    const gone = once(this.#cat, 'exit');
    closeSync(this.writeFd);
    await gone;
  }
}

function openNull(): number {
  return openSync('/dev/null', 'w');
}

export interface Measured {
  /** From the start of the process to the notice of its end. */
  elapsedMs: number;
  /** Processor time of all its threads, user and system. */
  cpuMs: number;
  /** Greatest resident set, bytes; undefined unless asked for. */
  peakBytes?: number;
}

/** Runs a program to its end with its output into the pipe. Exit code 1 is an answer ("something is stuck"). */
export async function measure(argv: readonly string[], output: DrainedPipe, watchMemory = false): Promise<Measured> {
  const [program, ...args] = argv;
  const cpuBeforeMs = childrenCpuMs();
  const startedMs = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', output.writeFd, 'pipe'] });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-2_048);
  });
  const ended = once(child, 'exit').then(([code]) => ({
    code: code as number,
    elapsedMs: performance.now() - startedMs,
  }));
  const peakBytes = watchMemory ? await peakUntil(ended, child.pid ?? 0) : undefined;
  const { code, elapsedMs } = await ended;
  if (code !== 0 && code !== 1) throw new Error(`${argv.join(' ')} ended with code ${code}: ${complaint.trim()}`);
  return { elapsedMs, cpuMs: childrenCpuMs() - cpuBeforeMs, peakBytes };
}

const RUSAGE_CHILDREN = -1;
/** struct rusage of a 64-bit machine: user time, system time, then what is not used here. */
const RUSAGE_BYTES = 144;

/** Of all children that have ended and were waited for. */
function childrenCpuMs(): number {
  const usage = new BigInt64Array(RUSAGE_BYTES / 8);
  if (libcFunction('int getrusage(int who, void *usage)')(RUSAGE_CHILDREN, usage) < 0) return Number.NaN;
  const [userSeconds, userUs, systemSeconds, systemUs] = usage;
  return Number(userSeconds + systemSeconds) * 1000 + Number(userUs + systemUs) / 1000;
}

const LOOK_EVERY_MS = 2;

/** The kernel keeps the peak of a process itself; it is read again and again because it ends with the process. */
async function peakUntil(ended: Promise<unknown>, pid: number): Promise<number> {
  let running = true;
  ended.then(
    () => {
      running = false;
    },
    () => {
      running = false;
    },
  );
  let peakKiB = 0;
  while (running) {
    peakKiB = Math.max(peakKiB, highWaterKiB(pid));
    await sleep(LOOK_EVERY_MS);
  }
  return peakKiB * 1024;
}

function highWaterKiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    // It has ended meanwhile.
    return 0;
  }
}
