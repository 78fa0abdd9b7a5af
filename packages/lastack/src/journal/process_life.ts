import { readFileSync } from 'node:fs';
import type { JournalEntry } from './journal.ts';

/** Of /proc/PID/stat, counted behind the name, which may itself hold spaces and parentheses. */
const STATE_FIELD = 0;
const START_FIELD = 19;

export interface ProcessLife {
  /** Clock ticks since boot. */
  started: number;
  /** It has ended and only waits for its parent to notice. */
  isZombie: boolean;
}

/** undefined when there is no such process. */
export function readLife(procRoot: string, pid: number | 'self'): ProcessLife | undefined {
  let stat: string;
  try {
    stat = readFileSync(`${procRoot}/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = Number(fields[START_FIELD]);
  if (!Number.isSafeInteger(started)) return undefined;
  return { started, isZombie: fields[STATE_FIELD] === 'Z' || fields[STATE_FIELD] === 'X' };
}

/** Whether the process that wrote the entry may still be at work on it. */
export function isWriterAlive(procRoot: string, boot: string, entry: JournalEntry): boolean {
  if (entry.boot !== boot) return false;
  const life = readLife(procRoot, entry.pid);
  if (!life || life.isZombie) return false;
  return entry.started === undefined || entry.started === life.started;
}
