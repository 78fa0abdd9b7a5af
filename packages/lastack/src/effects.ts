import type { Libc } from '@lastack/kernel';

/** Everything outside the program, in one value. Only main.ts makes a real one; tests make their own. */
export interface Effects {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  stdout: Stream;
  stderr: Stream;
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds of a clock that never jumps. */
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  /** Whether a person can be asked: standard input and error are a terminal. */
  isInteractive: boolean;
  /** Puts a yes-or-no question on the terminal; false for anything but yes. */
  ask(question: string): Promise<boolean>;
  /** A signal that Ctrl-C or SIGTERM aborts, with an Interruption as its reason, until it is released. */
  interruptible(): { signal: AbortSignal; release(): void };
  hostname: string;
  pid: number;
  /** Effective user id. */
  uid: number;
  /** `uname -r`. */
  kernelRelease: string;
  procRoot: string;
  sysRoot: string;
  /** A compiled part of the program; undefined where the build did not put it beside it: the work is slower then. */
  compiled(name: CompiledPart): WebAssembly.Module | undefined;
  /** Loads the C library on first use: `--help` and `explain` do without. */
  libc(): Libc;
}

/** `reply_lines` writes the lines of long lists, `pack_rows` fills tables. */
export type CompiledPart = 'reply_lines' | 'pack_rows';

export interface Stream {
  /** Takes all bytes before it returns. @throws ClosedPipe when the reader is gone */
  write(bytes: Uint8Array | string): void;
  isTerminal: boolean;
  /** Columns of the terminal; undefined for a pipe or file. */
  columns: number | undefined;
}

/** The reader of our output went away (`| head`): not an error, the program just ends. */
export class ClosedPipe extends Error {
  override readonly name = 'ClosedPipe';
}

/** Writes what ends a command: its exit code holds whether or not somebody reads to the end. */
export function writeLast(to: Pick<Stream, 'write'>, data: Parameters<Stream['write']>[0]): void {
  try {
    to.write(data);
  } catch (error) {
    if (!(error instanceof ClosedPipe)) throw error;
  }
}

/** Ctrl-C or SIGTERM came: the reason of the signals of `interruptible`. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
}

/** Exit codes, the same for every command. */
export const Exit = {
  OK: 0,
  /** Doctor: something is stuck. ls: nothing matched. */
  FOUND_OR_NO_MATCH: 1,
  USAGE: 2,
  /** Not permitted, or not supported here. */
  NOT_POSSIBLE: 3,
  PARTIAL: 4,
  INTERRUPTED: 130,
} as const;

/** A mistake the user can mend: one line on standard error, and the exit code. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = Exit.USAGE) {
    super(message);
    this.exitCode = exitCode;
  }
}
