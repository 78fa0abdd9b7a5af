import { writeSync } from 'node:fs';
import { hostname, release } from 'node:os';
import { type Libc, loadLibc } from '@lastack/kernel';
import { runCommandLine } from './cli/program.ts';
import { ClosedPipe, type Effects, Exit, type Stream } from './effects.ts';

function stream(fd: number): Stream {
  return {
    write(data) {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      for (let at = 0; at < bytes.length; ) at += writeSome(fd, bytes, at);
    },
    get isTerminal() {
      return process.getBuiltinModule('node:tty').isatty(fd);
    },
    get columns() {
      return fd === 2 ? process.stderr.columns : process.stdout.columns;
    },
  };
}

function writeSome(fd: number, bytes: Uint8Array, at: number): number {
  try {
    return writeSync(fd, bytes, at, bytes.length - at);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') throw new ClosedPipe();
    if (code !== 'EAGAIN') throw error;
    // A pipe that someone else made non-blocking and that is full: wait for its reader.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    return 0;
  }
}

function lazy<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => {
    value ??= make();
    return value;
  };
}

const effects: Effects = {
  argv: process.argv.slice(2),
  env: process.env,
  stdout: stream(1),
  stderr: stream(2),
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  hostname: hostname(),
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  kernelRelease: release(),
  procRoot: '/proc',
  sysRoot: '/sys',
  libc: lazy<Libc>(loadLibc),
};

runCommandLine(effects).then(
  (code) => process.exit(code),
  (error) => {
    if (error instanceof ClosedPipe) process.exit(Exit.OK);
    throw error;
  },
);
