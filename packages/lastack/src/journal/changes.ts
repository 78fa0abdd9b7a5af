import type { JournalEntry } from './journal.ts';

/**
 * What stands of one change.
 * - `done`: finished, still in force as far as the journal knows
 * - `undone`: reversed
 * - `running`: its process is still at work on it
 * - `interrupted`: its process ended without a word: it may have been done
 */
export type ChangeStatus = 'done' | 'undone' | 'running' | 'interrupted';

/** A `begin` entry with what became of it. */
export interface Change {
  begin: JournalEntry;
  end?: JournalEntry;
  undone?: JournalEntry;
  status: ChangeStatus;
}

/** What an `end` line says in its data when a later run wrote it. */
export interface RecoveredMark {
  recovered: true;
}

/** Pairs the lines. Oldest first. @param isAlive whether the process that wrote the entry still runs */
export function changesOf(entries: readonly JournalEntry[], isAlive: (entry: JournalEntry) => boolean): Change[] {
  const changes = new Map<number, Change>();
  for (const entry of entries) {
    if (entry.phase === 'begin') changes.set(entry.id, { begin: entry, status: 'done' });
    const change = entry.of === undefined ? undefined : changes.get(entry.of);
    if (!change) continue;
    if (entry.phase === 'end') change.end = entry;
    if (entry.phase === 'undone') change.undone = entry;
  }
  return [...changes.values()].map((change) => ({ ...change, status: statusOf(change, isAlive) }));
}

function statusOf({ begin, end, undone }: Change, isAlive: (entry: JournalEntry) => boolean): ChangeStatus {
  if (undone) return 'undone';
  if (end) return wasRecovered(end) ? 'interrupted' : 'done';
  return isAlive(begin) ? 'running' : 'interrupted';
}

function wasRecovered({ data }: JournalEntry): boolean {
  return typeof data === 'object' && data !== null && (data as Partial<RecoveredMark>).recovered === true;
}
