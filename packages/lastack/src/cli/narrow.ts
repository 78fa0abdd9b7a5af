import { wrapText } from '@lastack/core';
import { type Command, Help } from 'commander';
import type { Stream } from '../effects.ts';

/** What commander puts before it. */
const USAGE = 'Usage: ';
const HELP_INDENT = '  ';
const BELOW_INDENT = '      ';
/** Below this a column beside the terms is no column any more. */
const LEAST_COLUMN = 30;
const MESSAGE_INDENT = '  ';

/** The width of help: that of the terminal; undefined (commander's own 80) for a pipe or a file. */
export function helpWidth({ isTerminal, columns }: Stream): number | undefined {
  return isTerminal ? columns : undefined;
}

/** For commander's help: on a narrow terminal a description stands below its term instead of beside it. */
export const NARROW_HELP = {
  minWidthToWrap: 20,
  commandUsage(this: Help, command: Command): string {
    const usage = Help.prototype.commandUsage.call(this, command);
    const width = this.helpWidth ?? 80;
    if (USAGE.length + usage.length <= width) return usage;
    return wrapText(usage, width, HELP_INDENT, USAGE).join('\n').slice(USAGE.length);
  },
  formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
    const width = this.helpWidth ?? 80;
    const beside = width - termWidth - 2 * HELP_INDENT.length;
    const padded = HELP_INDENT + term.padEnd(termWidth + term.length - helper.displayWidth(term));
    if (!description) return HELP_INDENT + term;
    if (beside >= LEAST_COLUMN) {
      const wrapped = helper.boxWrap(description, beside);
      return `${padded}${HELP_INDENT}${wrapped.replace(/\n/g, `\n${' '.repeat(termWidth + 2 * HELP_INDENT.length)}`)}`;
    }
    return [...wrapText(term, width, BELOW_INDENT, HELP_INDENT), ...wrapText(description, width, BELOW_INDENT)].join(
      '\n',
    );
  },
};

/**
 * Messages broken between words to fit a terminal. A pipe or a file gets each on one line, as it was written; what moves
 * the cursor is left as it is.
 */
export function fittedToTerminal(stream: Stream): Stream {
  return {
    write: (data) => stream.write(typeof data === 'string' ? fitted(data, stream) : data),
    get isTerminal() {
      return stream.isTerminal;
    },
    get columns() {
      return stream.columns;
    },
  };
}

function fitted(text: string, { isTerminal, columns }: Stream): string {
  if (!isTerminal || !columns || !text.endsWith('\n') || /[\r\u001b]/.test(text)) return text;
  const lines = text.slice(0, -1).split('\n');
  return lines
    .map((line) => `${isWide(line, columns) ? wrapText(line, columns, MESSAGE_INDENT, '').join('\n') : line}\n`)
    .join('');
}

/** Lines that begin with blanks were laid out already. */
function isWide(line: string, columns: number): boolean {
  return line.length > columns && !line.startsWith(' ');
}
