import type { Effects } from '../effects.ts';
import type { JournalEntry } from './journal.ts';

/** Why nothing of a change is in force any more, so that nobody need undo it: what it was made on is gone, or it is back. */
export interface Over {
  over: string;
}

export type Refusal = string | Over;

/** How the changes of one action are reversed. */
export interface UndoHandler {
  /** What reversing would do, in one line: `put tcp_orphan_retries back to 0`. */
  describe(entry: JournalEntry): string;
  /**
   * Why it cannot be reversed, or need not be any more; undefined = it can. `earlier` are the entries that will have been reversed by
   * then: what they put back is to be taken as the present state.
   * @throws KernelError when the present state cannot be found out
   */
  canUndo(
    entry: JournalEntry,
    effects: Effects,
    earlier?: readonly JournalEntry[],
  ): Refusal | undefined | Promise<Refusal | undefined>;
  /** Reverses it. @returns what had to be left as it is, if anything was. @throws KernelError, UserError */
  undo(entry: JournalEntry, effects: Effects): void | Promise<void> | Promise<string | undefined>;
  /**
   * What the next run does when the process died in between: `undo` for a change that was meant for a moment,
   * `report` for one that was meant to last.
   */
  onUnfinished: 'undo' | 'report';
}

export type UndoHandlers = Readonly<Record<string, UndoHandler>>;

export function refusalText(refusal: Refusal): string {
  return typeof refusal === 'string' ? refusal : refusal.over;
}
