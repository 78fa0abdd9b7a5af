import { KernelError } from '@lastack/kernel';
import { type Effects, UserError } from '../effects.ts';
import { changesOf, type RecoveredMark } from './changes.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { bootOf } from './open.ts';
import { isWriterAlive } from './process_life.ts';
import { targetsText } from './target_data.ts';
import { refusalText, type UndoHandlers } from './undo_handler.ts';
import { UNDO_HANDLERS } from './undo_handlers.ts';

/**
 * What was done about one change whose process died.
 * - `restored`: the old value was put back
 * - `nothing-to-do`: it is not in force
 * - `may-have-been-done`: nobody knows whether it was done, and it is not reversed
 * - `failed`: it should be put back and could not be; the next run tries again
 */
export interface Recovery {
  entry: JournalEntry;
  outcome: 'restored' | 'nothing-to-do' | 'may-have-been-done' | 'failed';
  /** One line for people. */
  text: string;
}

const MARK: RecoveredMark = { recovered: true };

/**
 * Completes or reports, newest first, what processes that died have left unfinished. Each is dealt with once.
 * @throws UserError when the journal cannot be read
 */
export async function recover(
  effects: Effects,
  journal: Journal,
  handlers: UndoHandlers = UNDO_HANDLERS,
): Promise<Recovery[]> {
  const boot = bootOf(effects);
  const changes = changesOf(journal.read().entries, (entry) => isWriterAlive(effects.procRoot, boot, entry));
  const unfinished = changes.filter(({ status, end }) => status === 'interrupted' && !end).reverse();
  const recoveries: Recovery[] = [];
  for (const { begin } of unfinished) {
    const recovery = await recoverOne(effects, begin, boot, handlers);
    recoveries.push(recovery);
    // What could not be put back yet stays unfinished, so that the next run tries again.
    if (recovery.outcome !== 'failed')
      journal.end(begin.id, { action: begin.action, summary: recovery.text, data: MARK });
  }
  return recoveries;
}

async function recoverOne(
  effects: Effects,
  entry: JournalEntry,
  boot: string,
  handlers: UndoHandlers,
): Promise<Recovery> {
  const handler = Object.hasOwn(handlers, entry.action) ? handlers[entry.action] : undefined;
  if (handler?.onUnfinished !== 'undo') return { entry, outcome: 'may-have-been-done', text: reportText(entry, boot) };
  try {
    const refusal = await handler.canUndo(entry, effects);
    if (refusal !== undefined) {
      return {
        entry,
        outcome: 'nothing-to-do',
        text: `entry ${entry.id} (${entry.summary}) was interrupted: ${refusalText(refusal)}`,
      };
    }
    await handler.undo(entry, effects);
    const text = `entry ${entry.id} was interrupted before it had ended: ${handler.describe(entry)}: done`;
    return { entry, outcome: 'restored', text };
  } catch (error) {
    if (!(error instanceof KernelError) && !(error instanceof UserError)) throw error;
    const todo = error instanceof KernelError && error.todo ? `; ${error.todo}` : '';
    const text = `entry ${entry.id} was interrupted and could not be completed (${handler.describe(entry)}): ${error.message}${todo}`;
    return { entry, outcome: 'failed', text };
  }
}

function reportText(entry: JournalEntry, boot: string): string {
  const targets = targetsText(entry.data);
  const what = targets === undefined ? entry.summary : `${entry.summary} (${targets})`;
  const since = entry.boot === boot ? '' : '; the host has been restarted since';
  return `entry ${entry.id} was interrupted and may have been done: ${what}${since}`;
}
