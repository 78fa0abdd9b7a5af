/** One line of the journal. Written and fsynced before the change it speaks of; `end` lines follow after it. */
export interface JournalEntry {
  /** Increases by one; unique in the file. */
  id: number;
  /** ISO 8601. */
  at: string;
  /** Random id of the boot: sockets of another boot are gone. */
  boot: string;
  pid: number;
  /** When that process started, in clock ticks since boot: tells it from a later one with the same pid. */
  started?: number;
  /** `begin` before a change, `end` after it, `undone` when it was reversed, `note` for what is only said. */
  phase: JournalPhase;
  /** For `end` and `undone`: the id of the `begin` they belong to. */
  of?: number;
  /** Means or other action (`destroy`, `sysctl`, `block`, …). */
  action: string;
  /** One line for people. */
  summary: string;
  /** What the action needs to complete or reverse itself. Plain JSON. */
  data?: unknown;
}

export type JournalPhase = 'begin' | 'end' | 'undone' | 'note';

export interface JournalDraft {
  action: string;
  summary: string;
  data?: unknown;
}

/** The append-only record. */
export interface Journal {
  /** The file it is kept in. */
  readonly path: string;
  /** Writes and fsyncs. @returns the entry's id. @throws UserError when it cannot be written: then nothing is applied */
  begin(draft: JournalDraft): number;
  /**
   * Marks the change as finished, with what came of it. Never throws for a full disk: the change has been made, so it
   * warns on standard error, and the next run reports the entry as one that may have been done.
   */
  end(id: number, draft: JournalDraft): void;
  /** Marks the change as reversed. Warns like `end`. */
  undone(id: number, draft: JournalDraft): void;
  /** All readable entries, oldest first; unreadable lines are counted, never fatal. @throws UserError */
  read(): JournalContent;
}

export interface JournalContent {
  entries: JournalEntry[];
  damagedLines: number;
}
