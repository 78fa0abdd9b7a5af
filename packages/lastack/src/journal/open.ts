import { readBootId } from '@lastack/kernel';
import { type Effects, UserError } from '../effects.ts';
import type { Journal, JournalDraft, JournalPhase } from './journal.ts';
import { JournalFile } from './journal_file.ts';
import { formatLine, parseLines } from './lines.ts';
import { readLife } from './process_life.ts';

/** Boot id where /proc does not tell it: entries of other such boots cannot be told apart. */
const UNKNOWN_BOOT = 'unknown';

export function bootOf({ procRoot }: Pick<Effects, 'procRoot'>): string {
  return readBootId(procRoot) ?? UNKNOWN_BOOT;
}

/** The journal of the state directory. Nothing is read or created before the first call. */
export function openJournal(effects: Effects): Journal {
  const file = new JournalFile(effects);
  const boot = bootOf(effects);
  const { pid } = effects;
  const started = readLife(effects.procRoot, pid)?.started;
  const write = (phase: JournalPhase, draft: JournalDraft, of: number | undefined) => {
    const at = new Date(effects.now()).toISOString();
    // Only a `begin` must be on the disk before its change: without a later line the change counts as possibly made.
    return file.append((id) => formatLine({ id, at, boot, pid, started, phase, of, ...draft }), phase === 'begin');
  };
  const writeAfterwards = (phase: 'end' | 'undone', id: number, draft: JournalDraft) => {
    try {
      write(phase, draft, id);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const what = phase === 'end' ? 'finished' : 'undone';
      effects.stderr.write(`lastack: entry ${id} could not be marked as ${what}: ${error.message}\n`);
    }
  };
  return {
    get path() {
      return file.path;
    },
    begin: (draft) => write('begin', draft, undefined),
    end: (id, draft) => writeAfterwards('end', id, draft),
    undone: (id, draft) => writeAfterwards('undone', id, draft),
    read: () => parseLines(file.read()),
  };
}
