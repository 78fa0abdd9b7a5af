import { closeSync, constants, openSync, readdirSync, readlinkSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { isGone } from './errors.ts';

/** Receives the descriptors that matter; every other one is passed over without a word. */
export interface DescriptorVisitor {
  socket(fd: number, inode: number): void;
  eventpoll(fd: number): void;
}

/**
 * Reads every link of a descriptor directory (`/proc/PID/fd`) and returns how many descriptors it saw. Throws a system
 * error (`code`) when the directory or its links may not be read; a descriptor closed meanwhile is skipped.
 */
export type DescriptorScan = (directory: string, visitor: DescriptorVisitor) => number;

/** The same in slices of about a millisecond: whoever runs it can do something else after each. */
export type DescriptorWalk = (directory: string, visitor: DescriptorVisitor) => Generator<undefined, number>;

/** Descriptors of one slice. */
const SLICE = 256;

const SOCKET_PREFIX = 'socket:[';
const EVENTPOLL = 'anon_inode:[eventpoll]';

/** With Node's own file functions: works everywhere, at about 4 µs a descriptor. */
export const walkWithFs: DescriptorWalk = function* (directory, visitor) {
  const names = readdirSync(directory);
  const prefix = `${directory}/`;
  let done = 0;
  for (const name of names) {
    if (++done % SLICE === 0) yield;
    let target: string;
    try {
      target = readlinkSync(prefix + name);
    } catch (error) {
      if (isGone(error)) continue;
      throw error;
    }
    if (target.startsWith(SOCKET_PREFIX)) visitor.socket(Number(name), Number(target.slice(8, -1)));
    else if (target === EVENTPOLL) visitor.eventpoll(Number(name));
  }
  return names.length;
};

/** `walkWithFs` without a break. */
export const scanWithFs: DescriptorScan = (directory, visitor) => runToEnd(walkWithFs(directory, visitor));

function runToEnd(walk: Generator<undefined, number>): number {
  for (;;) {
    const { done, value } = walk.next();
    if (done) return value;
  }
}

/** System calls as plain functions. Each returns what the kernel does: a negative errno (-2 = ENOENT) on failure. */
export interface DirectoryCalls {
  /** readlinkat(2); `name` ends in a zero byte. Returns the length of the target, cut at `target.length`. */
  readlinkat(directoryFd: number, name: Uint8Array, target: Uint8Array): number;
  /** getdents64(2). */
  getdents64(directoryFd: number, entries: Uint8Array): number;
  /** lseek(2) from the start of the file. */
  seek(directoryFd: number, offset: number): number;
}

// Of struct linux_dirent64: d_reclen u16 at 16, d_name at 19.
const RECORD_LENGTH = 16;
const NAME = 19;
const ZERO = 48;
const NINE = 57;
/** Position of descriptor N in a procfs descriptor directory is N + 2, behind `.` and `..`. */
const FIRST_POSITION = 2;
/** So many neighbours in one listing make the next number a good guess. */
const DENSE = 8;

/**
 * With raw system calls, at about half the cost. Listing a descriptor directory costs the kernel as much as reading
 * a link, so runs of consecutive numbers are guessed rather than listed; the listing is asked only where a run ends.
 */
export function walkWithSyscalls(calls: DirectoryCalls): DescriptorWalk {
  return function* (directory, visitor) {
    const directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      return (yield* new Walk(calls, directoryFd, visitor).run()) ?? (yield* walkWithFs(directory, visitor));
    } finally {
      closeSync(directoryFd);
    }
  };
}

/** `walkWithSyscalls` without a break. */
export function scanWithSyscalls(calls: DirectoryCalls): DescriptorScan {
  const walk = walkWithSyscalls(calls);
  return (directory, visitor) => runToEnd(walk(directory, visitor));
}

class Walk {
  private readonly entries = new Uint8Array(1024);
  private readonly name = new Uint8Array(24);
  private readonly target = new Uint8Array(64);
  private readonly calls: DirectoryCalls;
  private readonly directoryFd: number;
  private readonly visitor: DescriptorVisitor;
  private next = 0;
  private seen = 0;

  constructor(calls: DirectoryCalls, directoryFd: number, visitor: DescriptorVisitor) {
    this.calls = calls;
    this.directoryFd = directoryFd;
    this.visitor = visitor;
  }

  /** Undefined when this file system does not answer as procfs does; nothing has been visited then. */
  *run(): Generator<undefined, number | undefined> {
    for (;;) {
      const position = this.next === 0 ? 0 : this.next + FIRST_POSITION;
      if (this.calls.seek(this.directoryFd, position) !== position) return this.seen === 0 ? undefined : this.fail(-22);
      const length = this.calls.getdents64(this.directoryFd, this.entries);
      if (length < 0 && !vanished(length)) return this.seen === 0 ? undefined : this.fail(length);
      if (length <= 0) return this.seen;
      const listed = descriptorsOf(this.entries, length, this.next);
      if (listed.length === 0) return this.seen;
      for (const fd of listed) {
        const code = this.visit(fd);
        if (code < 0 && !vanished(code)) this.fail(code);
      }
      const last = Math.max(...listed);
      this.next = last + 1;
      if (listed.length >= DENSE && last - listed[0] + 1 === listed.length) while (this.guess()) yield;
      yield;
    }
  }

  /** One slice of guesses. @returns whether the run may go on behind it */
  private guess(): boolean {
    const end = this.next + SLICE;
    while (this.next < end) {
      if (this.visit(this.next) < 0) return false;
      this.next++;
    }
    return true;
  }

  private visit(fd: number): number {
    writeDecimal(this.name, fd);
    const length = this.calls.readlinkat(this.directoryFd, this.name, this.target);
    if (length < 0) return length;
    this.seen++;
    const inode = socketInode(this.target, length);
    if (inode > 0) this.visitor.socket(fd, inode);
    else if (isEventpoll(this.target, length)) this.visitor.eventpoll(fd);
    return length;
  }

  private fail(code: number): never {
    const name = getSystemErrorName(code);
    throw Object.assign(new Error(`cannot read descriptors: ${name}`), { code: name, errno: code });
  }
}

function vanished(code: number): boolean {
  return code === -2 || code === -3;
}

/** Descriptor numbers at or above `from` in a getdents64 reply. */
function descriptorsOf(entries: Uint8Array, length: number, from: number): number[] {
  const descriptors: number[] = [];
  for (let at = 0; at + NAME < length; ) {
    let fd = 0;
    for (let index = at + NAME; index < length && entries[index] !== 0; index++) {
      const digit = entries[index];
      fd = digit < ZERO || digit > NINE ? Number.NaN : fd * 10 + digit - ZERO;
    }
    if (fd >= from) descriptors.push(fd);
    const step = entries[at + RECORD_LENGTH] | (entries[at + RECORD_LENGTH + 1] << 8);
    if (step <= NAME) break;
    at += step;
  }
  return descriptors;
}

function writeDecimal(into: Uint8Array, value: number): void {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.trunc(rest / 10)) digits++;
  into[digits] = 0;
  let rest = value;
  for (let index = digits - 1; index >= 0; index--) {
    into[index] = ZERO + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
}

/** N of `socket:[N]`, 0 for any other target. Paths start with `/`, so two bytes tell. */
function socketInode(target: Uint8Array, length: number): number {
  if (target[0] !== 115 || target[7] !== 91) return 0;
  let inode = 0;
  for (let index = 8; index < length - 1; index++) inode = inode * 10 + target[index] - ZERO;
  return inode;
}

function isEventpoll(target: Uint8Array, length: number): boolean {
  if (length !== EVENTPOLL.length || target[0] !== 97) return false;
  for (let index = 0; index < length; index++) if (target[index] !== EVENTPOLL.charCodeAt(index)) return false;
  return true;
}
