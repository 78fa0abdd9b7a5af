import { masked } from '../printable.ts';

/** What is wrong with a filter, and where. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  /** Column in `text`, from 0, in UTF-16 units; equal to the length of `text` when something is missing at its end. */
  readonly at: number;
  /** How many columns the wrong word takes; 0 at the end of the text. */
  readonly length: number;
  /** What could stand there instead, as the user would type it. */
  readonly expected: readonly string[];
  /** The whole filter as read. */
  readonly text: string;
  /** The word that was probably meant. */
  readonly suggestion?: string;

  constructor(message: string, place: FilterErrorPlace) {
    super(message);
    this.text = place.text;
    this.at = place.at;
    this.length = place.length ?? 0;
    this.expected = place.expected ?? [];
    this.suggestion = place.suggestion;
  }
}

export interface FilterErrorPlace {
  text: string;
  at: number;
  length?: number;
  expected?: readonly string[];
  suggestion?: string;
}

const MINIMUM_WIDTH = 20;
const INDENT = '  ';

/**
 * Several lines for a terminal: what is wrong, the filter with a caret under the place, what was expected. The filter
 * is shown in part when it is longer than `width` columns. Control characters are replaced.
 */
export function renderFilterError(error: FilterError, width = 72): string {
  const meant = error.suggestion === undefined ? '' : `; did you mean \`${error.suggestion}\`?`;
  const lines = [masked(error.message) + masked(meant), ...caretLines(error, Math.max(width, MINIMUM_WIDTH))];
  if (error.expected.length > 0) lines.push(...wrap(`expected: ${error.expected.join(', ')}`, width));
  return lines.join('\n');
}

function caretLines(error: FilterError, width: number): string[] {
  const characters = Array.from(masked(error.text));
  const at = Array.from(error.text.slice(0, error.at)).length;
  const room = width - INDENT.length;
  // The caret stands in the middle of a filter that does not fit.
  const from = characters.length <= room ? 0 : Math.max(0, Math.min(at - (room >> 1), characters.length - room + 1));
  const shown = characters.slice(from, from + room);
  const marks = Math.max(1, Math.min(error.length, from + room - at));
  return [INDENT + shown.join(''), INDENT + ' '.repeat(at - from) + '^'.repeat(marks)];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of masked(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = INDENT + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
