import { closeSync, openSync, readSync } from 'node:fs';
import { errorCode } from './errors.ts';
import type { ReadMemory } from './watched.ts';

/** Reads a process's memory through /proc/PID/mem while `use` runs. Nothing is stopped and nothing is written. */
export function withMemory<T>(processDirectory: string, use: (readMemory: ReadMemory) => T): T {
  let fd: number | undefined;
  try {
    return use((address, length) => {
      try {
        fd ??= openSync(`${processDirectory}/mem`, 'r');
        const buffer = Buffer.alloc(length);
        const read = readSync(fd, buffer, 0, length, address);
        return read > 0 ? buffer.subarray(0, read) : undefined;
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        return undefined;
      }
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const ELF_CLASS = 4;
const CLASS_32 = 1;

/** Whether the program is a 32-bit one, whose system call numbers are another set. False when it cannot be told. */
export function is32Bit(processDirectory: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(`${processDirectory}/exe`, 'r');
    const head = Buffer.alloc(ELF_CLASS + 1);
    return readSync(fd, head, 0, head.length, 0) === head.length && head[ELF_CLASS] === CLASS_32;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
