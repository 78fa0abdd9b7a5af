import { KernelError } from '@lastack/kernel';
import { type Effects, UserError } from '../effects.ts';
import { type Change, changesOf } from './changes.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { bootOf } from './open.ts';
import { isWriterAlive } from './process_life.ts';
import { refusalText, type UndoHandlers } from './undo_handler.ts';

/** One entry that was asked for. `refusal` undefined: it can be reversed. */
export interface UndoStep {
  entry: JournalEntry;
  /** What reversing does, or what the entry was. */
  text: string;
  refusal?: string;
  /** The action can never be reversed, as opposed to this entry not any more. */
  irreversible: boolean;
  /** Nothing of it is in force any more: there is nothing left to undo. */
  isOver?: boolean;
}

/** What became of a step: reversed, or not and why. */
export interface UndoResult extends UndoStep {
  undone: boolean;
}

/** The action of entries that the undo command itself makes. */
export const UNDO_ACTION = 'undo';

/** The changes that the journal knows, newest first, without those that undo itself made. @throws UserError */
export function changesInJournal(effects: Effects, journal: Journal): Change[] {
  const boot = bootOf(effects);
  return changesOf(journal.read().entries, (entry) => isWriterAlive(effects.procRoot, boot, entry))
    .filter(({ begin }) => begin.action !== UNDO_ACTION)
    .reverse();
}

/** Judges the changes in the given order, each as if those before it had been reversed already. Changes nothing. */
export async function planUndo(
  effects: Effects,
  changes: readonly Change[],
  handlers: UndoHandlers,
): Promise<UndoStep[]> {
  const steps: UndoStep[] = [];
  const earlier: JournalEntry[] = [];
  for (const change of changes) {
    const step = await planOne(effects, change, handlers, earlier);
    steps.push(step);
    if (step.refusal === undefined) earlier.push(step.entry);
  }
  return steps;
}

async function planOne(
  effects: Effects,
  { begin: entry, status }: Change,
  handlers: UndoHandlers,
  earlier: readonly JournalEntry[],
): Promise<UndoStep> {
  const handler = Object.hasOwn(handlers, entry.action) ? handlers[entry.action] : undefined;
  if (!handler) {
    return { entry, text: entry.summary, refusal: `what ${entry.action} did cannot be taken back`, irreversible: true };
  }
  const step = { entry, text: handler.describe(entry), irreversible: false };
  if (status === 'undone') return { ...step, refusal: 'it was undone before', isOver: true };
  if (status === 'running') return { ...step, refusal: `process ${entry.pid} is still at work on it` };
  try {
    const refusal = await handler.canUndo(entry, effects, earlier);
    if (refusal === undefined) return step;
    return { ...step, refusal: refusalText(refusal), isOver: typeof refusal !== 'string' };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { ...step, refusal: wordsOf(error) };
  }
}

/**
 * Reverses the steps in order; each is in the journal before it is done, and refused where the present state has
 * changed since it was planned. @throws UserError when the journal cannot be written
 */
export async function undoSteps(
  effects: Effects,
  journal: Journal,
  steps: readonly UndoStep[],
  handlers: UndoHandlers,
): Promise<UndoResult[]> {
  const results: UndoResult[] = [];
  for (const step of steps) {
    if (step.refusal !== undefined) results.push({ ...step, undone: false });
    else results.push(await undoOne(effects, journal, step, handlers));
  }
  return results;
}

async function undoOne(
  effects: Effects,
  journal: Journal,
  step: UndoStep,
  handlers: UndoHandlers,
): Promise<UndoResult> {
  const { entry, text } = step;
  const draft = { action: UNDO_ACTION, summary: `undo of entry ${entry.id}: ${text}`, data: { entry: entry.id } };
  const id = journal.begin(draft);
  let remark: string | undefined;
  try {
    remark = (await handlers[entry.action].undo(entry, effects)) ?? undefined;
  } catch (error) {
    if (!(error instanceof KernelError) && !(error instanceof UserError)) throw error;
    const refusal = wordsOf(error);
    journal.end(id, { ...draft, summary: `not done: ${refusal}` });
    return { ...step, refusal, undone: false };
  }
  journal.undone(entry.id, draft);
  journal.end(id, draft);
  return { ...step, text: remark === undefined ? text : `${text}; ${remark}`, undone: true };
}

function wordsOf(error: Error): string {
  return error instanceof KernelError && error.todo ? `${error.message}; ${error.todo}` : error.message;
}
