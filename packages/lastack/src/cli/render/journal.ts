import type { Change } from '../../journal/changes.ts';
import type { JournalEntry } from '../../journal/journal.ts';
import { targetsText } from '../../journal/target_data.ts';
import type { UndoResult, UndoStep } from '../../journal/undo.ts';
import { printable } from './printable.ts';
import { wrapText } from './report_layout.ts';
import { counted } from './report_words.ts';

const STATUS_WORDS = {
  done: 'done',
  undone: 'undone',
  running: 'running',
  interrupted: 'may be done',
} as const satisfies Record<Change['status'], string>;

/** Below this a last column is no column any more: its text stands in lines of its own. */
const LEAST_COLUMN = 30;
const BELOW_INDENT = '    ';

/** The changes as a table, in the order given. @param width of the terminal; undefined: one line for each change */
export function renderJournal(changes: readonly Change[], width?: number): string {
  const rows = changes.map(({ begin, end, status }) => [
    String(begin.id),
    timeText(begin.at),
    STATUS_WORDS[status],
    begin.action,
    summaryText(begin, end?.summary),
  ]);
  return table([['ENTRY', 'TIME (UTC)', 'STATUS', 'ACTION', 'WHAT'], ...rows], width);
}

/** What was meant, and what the end adds to that. The action stands in a column of its own. */
function summaryText({ action, summary, data }: JournalEntry, ended: string | undefined): string {
  const begun = without(`${action}: `, summary);
  const targets = targetsText(data);
  const what = targets === undefined ? begun : `${begun}: ${targets}`;
  return ended === undefined || ended === summary ? what : `${what}; ${without(`${summary}: `, ended)}`;
}

function without(start: string, text: string): string {
  return text.startsWith(start) ? text.slice(start.length) : text;
}

/** ISO 8601 without what a reader does not need; anything else as it is. */
function timeText(at: string): string {
  return at.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, '$1 $2');
}

/** The last column is as long as it likes, or broken to fit the width. */
function table(rows: readonly string[][], width: number | undefined): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = shown[0].map((_, column) => Math.max(...shown.map((row) => row[column].length)));
  const inColumns = (row: readonly string[]) => row.map((cell, column) => `${cell.padEnd(widths[column])}  `).join('');
  const beside = inColumns(shown[0].slice(0, -1)).length;
  const limit = width ?? Number.POSITIVE_INFINITY;
  const isWide = (row: readonly string[]) => beside + (row.at(-1) ?? '').length > limit;
  const isNarrow = limit - beside < LEAST_COLUMN && shown.some(isWide);
  const lines = shown.flatMap((row): string[] => {
    const last = row.at(-1) ?? '';
    if (isNarrow) return below(inColumns(row.slice(0, -2)).trimEnd(), `${row.at(-2)}: ${last}`, limit);
    const first = inColumns(row.slice(0, -1));
    return isWide(row) ? wrapText(last, limit, ' '.repeat(beside), first) : [first + last];
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** The two last columns in lines of their own, for too narrow a terminal. */
function below(first: string, rest: string, width: number): string[] {
  const lines = first.length <= width ? [first] : wrapText(first, width, BELOW_INDENT, '');
  return [...lines, ...wrapText(rest, width, BELOW_INDENT)];
}

/** What would be reversed, in order, and what not and why. Entries of one irreversible action are only counted. */
export function renderUndoPlan(steps: readonly UndoStep[]): string {
  return lines(steps, ({ refusal, text }) => (refusal === undefined ? `would ${text}` : `left: ${text}: ${refusal}`));
}

export function renderUndoResults(results: readonly UndoResult[]): string {
  return lines(results, ({ refusal, text, undone }) => (undone ? `undone: ${text}` : `left: ${text}: ${refusal}`));
}

function lines<S extends UndoStep>(steps: readonly S[], words: (step: S) => string): string {
  const counts = new Map<string, number>();
  const shown: string[] = [];
  const single = steps.length === 1;
  for (const step of steps) {
    if (single || !step.irreversible) shown.push(`entry ${step.entry.id}  ${words(step)}`);
    else counts.set(step.refusal ?? '', (counts.get(step.refusal ?? '') ?? 0) + 1);
  }
  for (const [refusal, count] of counts) shown.push(`${counted(count, 'entry', 'entries')} left: ${refusal}`);
  return shown.map((line) => `${printable(line)}\n`).join('');
}
