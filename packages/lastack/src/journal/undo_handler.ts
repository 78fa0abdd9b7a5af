import type { Effects } from '../effects.ts';
import type { JournalEntry } from './journal.ts';

/** How the changes of one action are reversed. */
export interface UndoHandler {
  /** What reversing would do, in one line: `put tcp_orphan_retries back to 0`. */
  describe(entry: JournalEntry): string;
  /**
   * Why it cannot be reversed any more; undefined = it can. `earlier` are the entries that will have been reversed by
   * then: what they put back is to be taken as the present state.
   * @throws KernelError when the present state cannot be found out
   */
  canUndo(
    entry: JournalEntry,
    effects: Effects,
    earlier?: readonly JournalEntry[],
  ): string | undefined | Promise<string | undefined>;
  /** Reverses it. @returns what had to be left as it is, if anything was. @throws KernelError, UserError */
  undo(entry: JournalEntry, effects: Effects): void | Promise<void> | Promise<string | undefined>;
  /**
   * What the next run does when the process died in between: `undo` for a change that was meant for a moment,
   * `report` for one that was meant to last.
   */
  onUnfinished: 'undo' | 'report';
}

export type UndoHandlers = Readonly<Record<string, UndoHandler>>;
