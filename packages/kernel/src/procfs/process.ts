import { readdirSync } from 'node:fs';
import { printable } from '@lastack/core';
import { parseNumber, readText } from './text.ts';

const PF_KTHREAD = 0x0020_0000;

/** Names that are numbers, ascending: the processes of /proc, the threads of a task directory. */
export function numericEntries(directory: string): number[] {
  const numbers: number[] = [];
  for (const name of readdirSync(directory)) {
    const first = name.charCodeAt(0);
    if (first >= 48 && first <= 57) numbers.push(Number(name));
  }
  return numbers.sort((left, right) => left - right);
}

/** Process ids now in this /proc. Throws when the directory itself cannot be read. */
export function listPids(procRoot: string): number[] {
  return numericEntries(procRoot);
}

/** Name from /proc/PID/comm or /proc/PID/task/TID/comm, fit for a terminal; undefined when the process is gone. */
export function readCommand(directory: string): string | undefined {
  const text = readText(`${directory}/comm`);
  return text === undefined ? undefined : printable(text.endsWith('\n') ? text.slice(0, -1) : text);
}

/** Field `flags` of /proc/PID/stat. The name before it may hold spaces and parentheses, so it counts from the last one. */
export function parseStatFlags(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return parseNumber(fields[6]);
}

/** Kernel threads hold no descriptors and live in the first namespace. */
export function isKernelThread(procRoot: string, pid: number): boolean {
  const stat = readText(`${procRoot}/${pid}/stat`);
  return stat !== undefined && ((parseStatFlags(stat) ?? 0) & PF_KTHREAD) !== 0;
}

/** Parent of a process; undefined when it is gone or has none that this pid namespace shows. */
export function readParentPid(procRoot: string, pid: number): number | undefined {
  const status = readText(`${procRoot}/${pid}/status`);
  return parseNumber(status?.match(/^PPid:\t(\d+)/m)?.[1]) || undefined;
}

/** Random id of this boot: what was recorded under another one speaks of other sockets. */
export function readBootId(procRoot: string): string | undefined {
  return readText(`${procRoot}/sys/kernel/random/boot_id`)?.trim();
}
