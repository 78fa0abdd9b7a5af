import type { Stream } from '../../effects.ts';
import { wrapText } from './report_layout.ts';

const HANGING = '  ';

/** Writes whole lines, broken between words where the terminal is narrower; a pipe or a file gets them as they are. */
export function writeFitting(stream: Stream, text: string): void {
  const { isTerminal, columns } = stream;
  stream.write(isTerminal && columns ? fitLines(text, columns) : text);
}

/** What a line goes on with stands further in than its beginning. */
export function fitLines(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => (line.length <= width ? [line] : broken(line, width)))
    .join('\n');
}

function broken(line: string, width: number): string[] {
  const words = line.trimStart();
  const indent = line.slice(0, line.length - words.length);
  return wrapText(words, width, indent + HANGING, indent);
}
