import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import type { Change } from '../../journal/changes.ts';
import type { Journal } from '../../journal/journal.ts';
import { openJournal } from '../../journal/open.ts';
import { type Recovery, recover } from '../../journal/recover.ts';
import { changesInJournal } from '../../journal/undo.ts';
import { helpWidth } from '../narrow.ts';
import { renderJournal } from '../render/journal.ts';
import { printable } from '../render/printable.ts';
import { counted } from '../render/report_words.ts';

interface JournalFlags {
  json?: boolean;
  last?: string;
}

export function journalCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('journal')
    .description('what lastack has changed; first completes or reports what an interrupted run left behind')
    .option('--last <n>', 'only the last N changes')
    .option('--json', 'one JSON document, schema lastack.journal/1')
    .allowExcessArguments(false)
    .action(async (flags: JournalFlags) => done(await showJournal(effects, flags)));
}

async function showJournal(effects: Effects, { json, last }: JournalFlags): Promise<number> {
  const limit = last === undefined ? Number.POSITIVE_INFINITY : positive('--last', last);
  const journal = openJournal(effects);
  const failed = reportRecoveries(effects, await recover(effects, journal));
  reportDamage(effects, journal);
  const all = changesInJournal(effects, journal).reverse();
  const changes = all.slice(Math.max(0, all.length - limit));
  if (json) effects.stdout.write(`${JSON.stringify(journalJson(journal, changes))}\n`);
  else if (changes.length > 0) effects.stdout.write(renderJournal(changes, helpWidth(effects.stdout)));
  else effects.stderr.write(`lastack: nothing has been changed so far (${journal.path})\n`);
  return failed ? Exit.PARTIAL : Exit.OK;
}

/** @throws UserError */
function positive(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) {
    throw new UserError(`${option} takes a number from 1 on, not '${printable(text)}'`);
  }
  return Number(text);
}

/** Says on standard error what was done about interrupted runs. @returns whether something could not be put right */
export function reportRecoveries(effects: Effects, recoveries: readonly Recovery[]): boolean {
  for (const { text } of recoveries) effects.stderr.write(`lastack: ${printable(text)}\n`);
  return recoveries.some(({ outcome }) => outcome === 'failed');
}

function reportDamage(effects: Effects, journal: Journal): void {
  const { damagedLines } = journal.read();
  if (damagedLines === 0) return;
  const lines = counted(damagedLines, 'line');
  effects.stderr.write(`lastack: ${lines} of ${journal.path} cannot be read (damaged or cut off) and are left out\n`);
}

/** One document, schema lastack.journal/1. */
function journalJson(journal: Journal, changes: readonly Change[]) {
  return {
    schema: 'lastack.journal/1',
    path: journal.path,
    damagedLines: journal.read().damagedLines,
    changes: changes.map(({ begin, end, undone, status }) => ({
      entry: begin.id,
      at: begin.at,
      boot: begin.boot,
      pid: begin.pid,
      action: begin.action,
      summary: begin.summary,
      status,
      result: end?.summary,
      endedAt: end?.at,
      undoneAt: undone?.at,
      data: begin.data,
    })),
  };
}
