import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { LabError } from './error.ts';
import type { CallName, FailureLine, ReadyLine, ReplyLine, RequestOf, RunResult, ValueOf } from './protocol.ts';

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 3_000;

/** A request that the actor could not carry out. */
export class ActorError extends Error {
  override readonly name = 'ActorError';
  readonly code: string | undefined;
  constructor(actor: string, call: string, failure: FailureLine) {
    super(`${actor}: ${call}: ${failure.message}`);
    this.code = failure.code;
  }
}

interface Pending {
  call: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** The lab's hold on one actor process. Its namespace lives exactly as long as the processes in it. */
export class Actor {
  readonly name: string;
  readonly pid: number;
  /** `net:[4026531840]` */
  readonly netns: string;
  readonly #child: Child;
  readonly #pending: Map<number, Pending>;
  #lastId = 0;

  constructor(name: string, child: Child, ready: ReadyLine, pending: Map<number, Pending>) {
    this.name = name;
    this.pid = ready.pid;
    this.netns = ready.netns;
    this.#child = child;
    this.#pending = pending;
  }

  /** Inode number of the actor's network namespace. */
  get netnsInode(): number {
    return Number(/\d+/.exec(this.netns)?.[0]);
  }

  call<K extends CallName>(call: K, request: RequestOf<K>): Promise<ValueOf<K>> {
    const id = ++this.#lastId;
    return new Promise<ValueOf<K>>((resolve, reject) => {
      this.#pending.set(id, { call, resolve: resolve as (value: unknown) => void, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, call, with: request })}\n`);
    });
  }

  /** Runs a program inside the namespace and captures its output. */
  run(file: string, args: string[], input?: string): Promise<RunResult> {
    return this.call('run', { file, args, limitMs: 20_000, ...(input === undefined ? {} : { input }) });
  }

  /** The argument vector that runs `argv` in this namespace with the caller's own input and output (util-linux). */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.pid), '--net', '--', ...argv];
  }

  /** Ends the process; what it held and, with its last process, its namespace go with it. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.stdin.end();
    const killer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
    await gone;
    clearTimeout(killer);
  }
}

export interface ActorOptions {
  /** Path of the built actor program (`lab-actor.cjs`). */
  actorFile: string;
  /** Command name of the process, at most 15 bytes. */
  name: string;
  /** Share this actor's namespace instead of getting a new one. */
  namespaceOf?: Actor;
}

export async function startActor({ actorFile, name, namespaceOf }: ActorOptions): Promise<Actor> {
  const where = namespaceOf ? ['--netns-of', String(namespaceOf.pid)] : [];
  const child = spawn(process.execPath, [actorFile, '--name', name, ...where], { stdio: ['pipe', 'pipe', 'pipe'] });
  const pending = new Map<number, Pending>();
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-4_096);
  });
  child.stdin.on('error', () => undefined);
  child.on('exit', () => rejectAll(name, pending));
  const ready = await firstLine(child, pending, name).catch((error: Error) => {
    child.kill('SIGKILL');
    throw new LabError(`cannot start ${name} (${actorFile}): ${reasonIn(complaint) ?? error.message}`);
  });
  return new Actor(name, child, ready, pending);
}

/** The line of an uncaught exception that says what happened. */
function reasonIn(complaint: string): string | undefined {
  return complaint.split('\n').find((line) => /^\w*Error\b/.test(line));
}

function rejectAll(name: string, pending: Map<number, Pending>): void {
  for (const { call, reject } of pending.values())
    reject(new ActorError(name, call, { message: 'the process ended', code: 'EPIPE' }));
  pending.clear();
}

function firstLine(child: Child, pending: Map<number, Pending>, name: string): Promise<ReadyLine> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it did not become ready')), START_LIMIT_MS);
    const settle = (action: () => void) => {
      clearTimeout(timer);
      action();
    };
    child.once('error', (error) => settle(() => reject(error)));
    child.once('close', (code) => settle(() => reject(new Error(`it ended with code ${code}`))));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as ReadyLine | ReplyLine;
      if ('ready' in message) settle(() => resolve(message));
      else settleReply(name, pending, message);
    });
  });
}

function settleReply(name: string, pending: Map<number, Pending>, { id, value, error }: ReplyLine): void {
  const waiting = pending.get(id);
  pending.delete(id);
  if (error) waiting?.reject(new ActorError(name, waiting.call, error));
  else waiting?.resolve(value);
}
