import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { errorCode } from './procfs/errors.ts';

/** The text of a file; undefined when there is none. @throws the file system's error otherwise */
export function readFileIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Makes a directory and those above it that are missing. (Node's own recursive mkdir never returns where a file system
 * answers ENOENT below a directory that exists, as /proc does.)
 * @returns those made, the outermost first. @throws file system errors
 */
export function makeDirectories(directory: string, mode: number): string[] {
  if (existsSync(directory)) return [];
  const made = makeDirectories(path.dirname(directory), mode);
  try {
    mkdirSync(directory, { mode });
    return [...made, directory];
  } catch (error) {
    // Another process was faster.
    if (errorCode(error) === 'EEXIST') return made;
    throw error;
  }
}

/** Writes the whole file or leaves the old one, also when power fails. Its folder is made. @throws file system errors */
export function replaceFile(file: string, text: string): void {
  makeDirectories(path.dirname(file), 0o755);
  const draft = `${file}.${process.pid}.new`;
  try {
    const fd = openSync(draft, 'w', 0o644);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Removes a file that may be gone already. @throws file system errors */
export function removeFile(file: string): void {
  rmSync(file, { force: true });
}
