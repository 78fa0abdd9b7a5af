import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import type { Change } from '../../journal/changes.ts';
import { openJournal } from '../../journal/open.ts';
import { recover } from '../../journal/recover.ts';
import { changesInJournal, planUndo, type UndoStep, undoSteps } from '../../journal/undo.ts';
import { UNDO_HANDLERS } from '../../journal/undo_handlers.ts';
import { doneSteps, plannedSteps, undoneJson } from '../../report/undo_json.ts';
import { writeFitting } from '../render/fit_lines.ts';
import { renderUndoPlan, renderUndoResults } from '../render/journal.ts';
import { printable } from '../render/printable.ts';
import { counted } from '../render/report_words.ts';
import { reportRecoveries } from './journal.ts';

interface UndoFlags {
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

export function undoCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('undo')
    .description('reverse what lastack has changed and can be reversed, the latest first')
    .argument('[entry]', 'only this entry of `lastack journal`')
    .option('--dry-run', 'show what would be reversed, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'one JSON document, schema lastack.undone/1')
    .allowExcessArguments(false)
    .action(async (entry: string | undefined, flags: UndoFlags) => done(await undo(effects, entry, flags)));
}

async function undo(effects: Effects, entry: string | undefined, flags: UndoFlags): Promise<number> {
  const journal = openJournal(effects);
  if (!flags.dryRun) reportRecoveries(effects, await recover(effects, journal));
  const changes = wanted(changesInJournal(effects, journal), entry);
  const planned = await planUndo(effects, changes, UNDO_HANDLERS);
  // Who names an entry is told what became of it; to all others it would be said for ever.
  const steps = entry === undefined ? planned.filter(({ isOver }) => !isOver) : planned;
  const possible = steps.filter(isPossible);
  if (flags.dryRun || possible.length === 0) {
    if (flags.json) writeJson(effects, plannedSteps(steps), flags);
    else writeFitting(effects.stdout, renderUndoPlan(steps));
    return possible.length > 0 ? Exit.OK : nothingToDo(effects, steps, entry !== undefined);
  }
  if (!(await agreed(effects, steps, possible.length, flags))) {
    effects.stderr.write('lastack: nothing was undone\n');
    return Exit.FOUND_OR_NO_MATCH;
  }
  const results = await undoSteps(effects, journal, steps, UNDO_HANDLERS);
  if (flags.json) writeJson(effects, doneSteps(steps, results), flags);
  else writeFitting(effects.stdout, renderUndoResults(results));
  const failed = results.filter(
    ({ undone, irreversible }, index) => !undone && !irreversible && isPossible(steps[index]),
  );
  if (failed.length === 0) return Exit.OK;
  return failed.length < possible.length ? Exit.PARTIAL : Exit.NOT_POSSIBLE;
}

function writeJson(effects: Effects, steps: ReturnType<typeof plannedSteps>, { dryRun = false }: UndoFlags): void {
  effects.stdout.write(`${JSON.stringify(undoneJson(effects, steps, dryRun))}\n`);
}

function isPossible({ refusal }: UndoStep): boolean {
  return refusal === undefined;
}

/** @throws UserError when the entry does not exist */
function wanted(changes: readonly Change[], entry: string | undefined): readonly Change[] {
  if (entry === undefined) return changes.filter(({ status }) => status !== 'undone');
  const found = changes.filter(({ begin }) => String(begin.id) === entry);
  if (found.length > 0) return found;
  throw new UserError(`the journal has no change ${printable(entry)}; \`lastack journal\` lists them`);
}

/** Says why there is nothing; an entry that was asked for and cannot be undone is a refusal, not an empty list. */
function nothingToDo(effects: Effects, steps: readonly UndoStep[], isNamed: boolean): number {
  const mayBeInForce = steps.some(({ irreversible }) => !irreversible);
  if (isNamed || mayBeInForce) return Exit.NOT_POSSIBLE;
  effects.stderr.write('lastack: there is nothing to undo\n');
  return Exit.FOUND_OR_NO_MATCH;
}

/** @throws UserError when nobody can be asked */
async function agreed(
  effects: Effects,
  steps: readonly UndoStep[],
  possible: number,
  { yes }: UndoFlags,
): Promise<boolean> {
  if (yes) return true;
  const changes = counted(possible, 'change');
  if (!effects.isInteractive) {
    throw new UserError(`${changes} would be undone and nobody can be asked; say --yes, or --dry-run to see them`);
  }
  effects.stderr.write(renderUndoPlan(steps));
  return effects.ask(`undo ${changes}? [y/N] `);
}
