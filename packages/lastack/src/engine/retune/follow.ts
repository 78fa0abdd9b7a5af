import {
  type ClearTarget,
  forecastInputOf,
  type Note,
  type Owner,
  type RetuneWish,
  type Row,
  TcpState,
  targetOf,
  wishIn,
} from '@lastack/core';
import {
  DiagTable,
  dumpSockets,
  fetchInfo,
  isTcpSocket,
  KernelError,
  namespaceInode,
  numericEntries,
  readCommand,
  readTimerHz,
  scanWithSyscalls,
  withDuplicate,
} from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { readLife } from '../../journal/process_life.ts';
import { closeNamespaces, type OpenNamespace, openNamespaces } from '../observation.ts';
import type { RetuneCandidate } from './plan.ts';

/** Of the time that passes, at most this share is spent on looking. */
const LOOK_SHARE = 0.25;
const ALL_STATES = 0x3ffe;
/** A socket in these states is looked at again: it is not yet what it will be. */
const UNDECIDED: ReadonlySet<number> = new Set([TcpState.CLOSE, TcpState.BOUND_INACTIVE]);
const NO_OPTIONS: ReadonlyMap<bigint, never> = new Map<bigint, never>();

/** The TCP sockets of one process, found as they appear, each once. */
export class ProcessWatch {
  readonly pid: number;
  readonly command: string;
  readonly namespace: OpenNamespace;
  readonly #effects: Effects;
  readonly #started: number;
  readonly #timerHz: number | undefined;
  /** Inodes that need not be looked at again. */
  #settled = new Set<number>();

  /** @throws UserError when the process is not there or may not be looked into */
  constructor(effects: Effects, pid: number) {
    const root = `${effects.procRoot}/${pid}`;
    const life = readLife(effects.procRoot, pid);
    const inode = namespaceInode(`${root}/ns/net`);
    if (!life || life.isZombie) throw new UserError(`there is no process ${pid}`, Exit.FOUND_OR_NO_MATCH);
    if (inode === undefined) throw refused(pid, 'permission denied');
    const notes: Note[] = [];
    const [namespace] = openNamespaces(effects, [inode], notes);
    if (!namespace) throw refused(pid, notes[0]?.because ?? 'its network namespace cannot be entered');
    this.pid = pid;
    this.command = readCommand(root) ?? '?';
    this.namespace = namespace;
    this.#effects = effects;
    this.#started = life.started;
    this.#timerHz = readTimerHz(effects.libc());
    try {
      this.#checkDuplicates();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeNamespaces([this.namespace]);
  }

  /** Whether the very process is still there; its first thread alone may have ended. */
  get isAlive(): boolean {
    const { procRoot } = this.#effects;
    const life = readLife(procRoot, this.pid);
    if (life?.started !== this.#started) return false;
    return !life.isZombie || this.#threadCount() > 1;
  }

  #threadCount(): number {
    try {
      return numericEntries(`${this.#effects.procRoot}/${this.pid}/task`).length;
    } catch {
      return 0;
    }
  }

  /** Sockets that were not there before, or not decided yet. Empty once the process has ended. Rejects with KernelError. */
  async look(wish: RetuneWish): Promise<RetuneCandidate[]> {
    const present = this.#sockets();
    this.#settled = new Set([...this.#settled].filter((inode) => present.has(inode)));
    const open = new Map([...present].filter(([inode, fd]) => !this.#settled.has(inode) && this.#isTcp(inode, fd)));
    if (open.size === 0) return [];
    const { diag, settings } = this.namespace;
    const table = new DiagTable();
    await dumpSockets(diag, { states: ALL_STATES }, (words, view, at, end) => table.append(words, view, at, end));
    const rows: Row[] = [];
    for (let row = 0; row < table.count; row++) if (this.#isDecided(table, row, open)) rows.push(row);
    if (rows.length > 0) await fetchInfo(diag, table, rows);
    const ownWish = wishIn(wish, settings);
    return rows.map((row) => ({
      target: this.#targetOf(table, row, open.get(table.inode(row)) as number),
      input: forecastInputOf({ timerHz: this.#timerHz }, { table, settings, options: NO_OPTIONS }, row),
      wish: ownWish,
    }));
  }

  /** Lowest descriptor of each socket, by inode. */
  #sockets(): Map<number, number> {
    const sockets = new Map<number, number>();
    const { procRoot } = this.#effects;
    try {
      scanWithSyscalls(this.#effects.libc().directory)(`${procRoot}/${this.pid}/fd`, {
        socket: (fd, inode) => {
          if (!sockets.has(inode)) sockets.set(inode, fd);
        },
        eventpoll: () => undefined,
      });
    } catch (error) {
      if (this.isAlive) throw error;
    }
    return sockets;
  }

  /** What is no TCP socket never becomes one. */
  #isTcp(inode: number, fd: number): boolean {
    const libc = this.#effects.libc();
    try {
      const isTcp = withDuplicate(libc, this.pid, fd, (duplicate) => isTcpSocket(libc, duplicate));
      if (!isTcp) this.#settled.add(inode);
      return isTcp;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      return false;
    }
  }

  #isDecided(table: DiagTable, row: Row, open: ReadonlyMap<number, number>): boolean {
    const inode = table.inode(row);
    if (inode === 0 || !open.has(inode) || UNDECIDED.has(table.state(row))) return false;
    this.#settled.add(inode);
    return true;
  }

  #targetOf(table: DiagTable, row: Row, fd: number): ClearTarget {
    const { inode, label } = this.namespace.ref;
    const owner: Owner = { pid: this.pid, command: this.command, fd };
    return targetOf({ inode, label, table }, row, [owner]);
  }

  /** Reading the list of descriptors takes less than duplicating one: better to know at the start. @throws UserError */
  #checkDuplicates(): void {
    const libc = this.#effects.libc();
    for (const fd of this.#sockets().values()) {
      try {
        withDuplicate(libc, this.pid, fd, () => undefined);
        return;
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        if (error.code === 'EPERM' || error.code === 'ENOSYS') throw refused(this.pid, error.message);
      }
    }
  }
}

function refused(pid: number, because: string): UserError {
  const todo = 'run as root, as the user of the process, or with CAP_SYS_PTRACE';
  return new UserError(`following process ${pid}: ${because}; ${todo}`, Exit.NOT_POSSIBLE);
}

/** How long to wait after a look that took so long, until the next one: longer where looking itself takes long. */
export function pauseAfter(everyMs: number, tookMs: number): number {
  return Math.max(everyMs - tookMs, tookMs * (1 / LOOK_SHARE - 1));
}

/** Sleeps, or less when interrupted. */
export async function pauseUnless(effects: Effects, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let wake = () => {};
  const aborted = new Promise<void>((resolve) => {
    wake = resolve;
    signal.addEventListener('abort', wake, { once: true });
  });
  await Promise.race([effects.sleep(ms), aborted]);
  signal.removeEventListener('abort', wake);
}
