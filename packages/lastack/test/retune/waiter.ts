import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Actor } from '@lastack/lab';

export const LANGUAGES = ['C', 'Python', 'Node'] as const;
export type Language = (typeof LANGUAGES)[number];

const FOLDER = import.meta.dirname;

/** Compiles the C program into a folder. @returns the argument vectors that start each program */
export function programs(folder: string): Record<Language, readonly string[]> {
  const compiled = path.join(folder, 'waiter');
  execFileSync('gcc', ['-O1', '-o', compiled, path.join(FOLDER, 'waiter.c')]);
  return {
    C: [compiled],
    Python: ['python3', path.join(FOLDER, 'waiter.py')],
    Node: [process.execPath, path.join(FOLDER, 'waiter.cjs')],
  };
}

/** A running program with one open connection. */
export class Waiter {
  readonly pid: number;
  /** Of its own end. */
  port = 0;
  fd = 0;
  /** Milliseconds of the wall clock when it learned that its connection is gone, and the error by its name. */
  readonly ended: Promise<{ atMs: number; error: string }>;
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = new Promise((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        if (line.startsWith('ended ')) resolve({ atMs: Date.now(), error: line.slice(6) });
        else this.#answers.shift()?.(line);
      });
    });
  }

  /** Starts it in the actor's namespace (as another user with a prefix) and waits until it is connected. */
  static async start(actor: Actor, argv: readonly string[], prefix: readonly string[] = []): Promise<Waiter> {
    const [file, ...args] = actor.enter([...prefix, ...argv]);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const waiter = new Waiter(child);
    const failed = once(child, 'exit').then(() => Promise.reject(new Error(`${argv.join(' ')} ended`)));
    failed.catch(() => undefined);
    const [, port, fd] = (await Promise.race([waiter.#answer(), failed])).split(' ').map(Number);
    Object.assign(waiter, { port, fd });
    return waiter;
  }

  /** What the program says to a command. */
  ask(command: 'options' | 'send' | 'half' | 'close'): Promise<string> {
    const answer = this.#answer();
    this.#child.stdin?.write(`${command}\n`);
    return answer;
  }

  /** Its own getsockopt. */
  async options(): Promise<Record<string, number>> {
    const numbers = (await this.ask('options')).split(' ').slice(1).map(Number);
    const names = ['keepalive', 'idle', 'interval', 'probes', 'linger2', 'userTimeoutMs', 'synCount'];
    return Object.fromEntries(names.map((name, index) => [name, numbers[index]]));
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #answer(): Promise<string> {
    return new Promise((resolve) => this.#answers.push(resolve));
  }
}
