import { fstatSync, readFileSync, writeSync } from 'node:fs';
import { hostname, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { growPipe, type Libc, loadLibc, monotonicMs } from '@lastack/kernel';
import { fittedToTerminal } from './cli/narrow.ts';
import { runCommandLine } from './cli/program.ts';
import { ClosedPipe, type CompiledPart, type Effects, Exit, Interruption, type Stream, writeLast } from './effects.ts';

/** Who writes so much at once will write more. */
const MUCH_BYTES = 1 << 16;

function stream(fd: number, expectMuch?: () => void): Stream {
  let isMuchExpected = false;
  return {
    write(data) {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      if (bytes.length >= MUCH_BYTES && !isMuchExpected) {
        isMuchExpected = true;
        expectMuch?.();
      }
      for (let at = 0; at < bytes.length; ) at += writeSome(fd, bytes, at);
    },
    get isTerminal() {
      return isTerminal(fd);
    },
    get columns() {
      // Node's own streams take two milliseconds to load, and a pipe or a file has no columns.
      if (!isTerminal(fd)) return undefined;
      return fd === 2 ? process.stderr.columns : process.stdout.columns;
    },
  };
}

/** What goes wrong is told by the exit code, too: nobody need listen. */
function heardOrNot(to: Stream): Stream {
  const write = to.write.bind(to);
  to.write = (data) => writeLast({ write }, data);
  return to;
}

/** Loading node:tty loads node:net, which takes two milliseconds: not for pipes and files, which are no devices. */
function isTerminal(fd: number): boolean {
  return isDevice(fd) && process.getBuiltinModule('node:tty').isatty(fd);
}

function isDevice(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    // Closed, as standard input may be.
    return false;
  }
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

async function ask(question: string): Promise<boolean> {
  const lines = process
    .getBuiltinModule('node:readline')
    .createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<boolean>((resolve, reject) => {
      lines.question(question, (answer) => resolve(/^y(es)?$/i.test(answer.trim())));
      // While it reads from a terminal, Ctrl-C is a key and no signal.
      lines.once('SIGINT', () => reject(new Interruption()));
      lines.once('close', () => resolve(false));
    });
  } finally {
    lines.close();
  }
}

/** Ctrl-C ends the process at once, unless a command has something to clean up; a second one does in any case. */
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(Exit.INTERRUPTED);
});

function interruptible(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort(new Interruption());
  process.once('SIGINT', abort).once('SIGTERM', abort);
  return {
    signal: controller.signal,
    release: () => void process.removeListener('SIGINT', abort).removeListener('SIGTERM', abort),
  };
}

function compiled(name: CompiledPart): WebAssembly.Module | undefined {
  try {
    const bytes = readFileSync(fileURLToPath(new URL(`${name}.wasm`, import.meta.url)));
    return new WebAssembly.Module(bytes);
  } catch {
    return undefined;
  }
}

const libc = lazy<Libc>(loadLibc);

const effects: Effects = {
  argv: process.argv.slice(2),
  env: process.env,
  stdout: stream(1, () => growPipe(libc(), 1)),
  stderr: fittedToTerminal(heardOrNot(stream(2))),
  now: () => Date.now(),
  monotonicMs,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  get isInteractive() {
    return isTerminal(0) && isTerminal(2);
  },
  ask,
  interruptible,
  hostname: hostname(),
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  kernelRelease: release(),
  procRoot: '/proc',
  sysRoot: '/sys',
  compiled,
  libc,
};

runCommandLine(effects).then(
  (code) => process.exit(code),
  (error) => {
    if (error instanceof ClosedPipe) process.exit(Exit.OK);
    // A fault of lastack itself. Node would end with 1, which means that something is stuck.
    process.stderr.write(`lastack: internal fault, please report it: ${error?.stack ?? error}\n`);
    process.exit(Exit.NOT_POSSIBLE);
  },
);
