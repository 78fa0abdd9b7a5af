import type { Change } from '../../journal/changes.ts';
import { targetsText } from '../../journal/target_data.ts';
import type { UndoResult, UndoStep } from '../../journal/undo.ts';
import { printable } from './printable.ts';
import { counted } from './report_words.ts';

const STATUS_WORDS = {
  done: 'done',
  undone: 'undone',
  running: 'running',
  interrupted: 'may be done',
} as const satisfies Record<Change['status'], string>;

/** The changes as a table, in the order given. */
export function renderJournal(changes: readonly Change[]): string {
  const rows = changes.map(({ begin, end, status }) => [
    String(begin.id),
    timeText(begin.at),
    STATUS_WORDS[status],
    begin.action,
    summaryText(begin.summary, end?.summary, targetsText(begin.data)),
  ]);
  return table([['ENTRY', 'TIME (UTC)', 'STATUS', 'ACTION', 'WHAT'], ...rows]);
}

function summaryText(begun: string, ended: string | undefined, targets: string | undefined): string {
  const what = targets === undefined ? begun : `${begun}: ${targets}`;
  return ended === undefined || ended === begun ? what : `${what}; ${ended}`;
}

/** ISO 8601 without what a reader does not need; anything else as it is. */
function timeText(at: string): string {
  return at.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, '$1 $2');
}

/** The last column is as long as it likes. */
function table(rows: readonly string[][]): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = shown[0].map((_, column) => Math.max(...shown.map((row) => row[column].length)));
  const lines = shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
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
