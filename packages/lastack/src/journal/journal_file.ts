import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import path from 'node:path';
import { type Effects, Exit, UserError } from '../effects.ts';
import { highestId } from './lines.ts';
import { checkOwner, makeStateDirectory, stateDirectory, syncDirectory } from './state_directory.ts';

export const JOURNAL_FILE = 'journal.jsonl';

const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
/** A line is written in milliseconds; whoever keeps the lock longer is stopped or on a disk that hangs. */
const LOCK_LIMIT_MS = 10_000;
const LOCK_RETRY_MS = 5;
const FIRST_TAIL_BYTES = 1 << 16;
const NEWLINE = 0x0a;

/** The bytes of the journal: append-only, one writer at a time, numbers given out under the lock. */
export class JournalFile {
  readonly #effects: Effects;
  /** What the last append left behind: as long as the size is the same nobody else has written. */
  #last: { inode: number; size: number; id: number } | undefined;

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  get path(): string {
    return path.join(stateDirectory(this.#effects), JOURNAL_FILE);
  }

  /**
   * Appends the line that `format` makes of the next number. With `durable` it has reached the disk on return.
   * @throws UserError; then the file is as it was
   */
  append(format: (id: number) => string, durable: boolean): number {
    try {
      const fd = this.#openForAppend();
      try {
        this.#lock(fd, LOCK_EXCLUSIVE);
        return this.#appendLocked(fd, format, durable);
      } finally {
        // Closing releases the lock, and so does the death of the process.
        closeSync(fd);
      }
    } catch (error) {
      throw this.#explained(error, 'writing');
    }
  }

  /** The whole file; empty when there is none yet. @throws UserError */
  read(): Uint8Array {
    try {
      const fd = openSync(this.path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        checkOwner(this.path, this.#effects.uid, fstatSync(fd));
        this.#lock(fd, LOCK_SHARED);
        return readFileSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array();
      throw this.#explained(error, 'reading');
    }
  }

  #openForAppend(): number {
    const directory = makeStateDirectory(this.#effects);
    const file = path.join(directory, JOURNAL_FILE);
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW;
    try {
      return this.#checked(openSync(file, flags), file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const fd = this.#checked(openSync(file, flags | constants.O_CREAT, 0o600), file);
    syncDirectory(directory);
    return fd;
  }

  #checked(fd: number, file: string): number {
    try {
      checkOwner(file, this.#effects.uid, fstatSync(fd));
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  #appendLocked(fd: number, format: (id: number) => string, durable: boolean): number {
    const { ino: inode, size } = fstatSync(fd);
    const known = this.#last?.inode === inode && this.#last.size === size ? this.#last.id : highestIdIn(fd, size);
    const id = known + 1;
    const bytes = Buffer.from((endsInsideLine(fd, size) ? '\n' : '') + format(id));
    try {
      const written = writeSync(fd, bytes);
      if (written < bytes.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      if (durable) fsyncSync(fd);
    } catch (error) {
      takeBack(fd, size);
      throw error;
    }
    this.#last = { inode, size: size + bytes.length, id };
    return id;
  }

  #lock(fd: number, kind: number): void {
    const libc = this.#effects.libc();
    const until = this.#effects.monotonicMs() + LOCK_LIMIT_MS;
    while (libc.flock(fd, kind | LOCK_NO_WAIT) < 0) {
      const errno = libc.errno();
      if (errno !== osConstants.errno.EWOULDBLOCK && errno !== osConstants.errno.EINTR) {
        throw new UserError(
          `the journal ${this.path} cannot be locked: errno ${errno}; nothing was changed`,
          Exit.NOT_POSSIBLE,
        );
      }
      if (this.#effects.monotonicMs() > until) {
        throw new UserError(
          `the journal ${this.path} has been locked by another lastack for ${LOCK_LIMIT_MS / 1000} s; nothing was changed; try again when that has ended`,
          Exit.NOT_POSSIBLE,
        );
      }
      pause(LOCK_RETRY_MS);
    }
  }

  /** One line: what, why, what to do. */
  #explained(error: unknown, doing: 'reading' | 'writing'): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof UserError || typeof code !== 'string') return error;
    const effect = doing === 'writing' ? '; nothing was changed' : '';
    const words = REASONS[code] ?? { why: code, todo: 'set XDG_STATE_HOME to a directory where that works' };
    return new UserError(`${doing} the journal ${this.path}: ${words.why}${effect}; ${words.todo}`, Exit.NOT_POSSIBLE);
  }
}

const ELSEWHERE = 'or set XDG_STATE_HOME to another directory';
const FULL = { why: 'the disk is full', todo: `make room, ${ELSEWHERE}` };
const FORBIDDEN = { why: 'permission denied', todo: `run as the user that it belongs to, ${ELSEWHERE}` };
const REASONS: Readonly<Record<string, { why: string; todo: string }>> = {
  ENOSPC: FULL,
  EDQUOT: { ...FULL, why: 'the disk quota is used up' },
  EROFS: { why: 'the file system is read-only', todo: 'set XDG_STATE_HOME to a directory that can be written' },
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENOTDIR: { why: 'part of the path is not a directory', todo: `remove that file, ${ELSEWHERE}` },
  EEXIST: { why: 'part of the path is not a directory', todo: `remove that file, ${ELSEWHERE}` },
  EISDIR: { why: 'it is a directory', todo: `remove it, ${ELSEWHERE}` },
  ELOOP: { why: 'it is a symbolic link', todo: `remove the link, ${ELSEWHERE}` },
};

/** Reads backwards until some line tells its number. */
function highestIdIn(fd: number, size: number): number {
  for (let length = Math.min(FIRST_TAIL_BYTES, size); ; length = Math.min(length * 4, size)) {
    const tail = readAt(fd, size - length, length);
    // The first line of a part is a fragment: its number, if it shows one, would not be at its start.
    const whole = length === size ? tail : tail.subarray(tail.indexOf(NEWLINE) + 1);
    const id = tail.includes(NEWLINE) || length === size ? highestId(whole) : undefined;
    if (id !== undefined) return id;
    if (length === size) return 0;
  }
}

function endsInsideLine(fd: number, size: number): boolean {
  return size > 0 && readAt(fd, size - 1, 1)[0] !== NEWLINE;
}

function readAt(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const read = readSync(fd, bytes, at, length - at, position + at);
    if (read === 0) break;
    at += read;
  }
  return bytes.subarray(0, at);
}

/** A line that did not fit is removed again; where even that fails, the next line starts afresh behind it. */
function takeBack(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch {
    // The failure to write is what is reported.
  }
}

/** The journal is written between two synchronous steps: waiting must be, too. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
