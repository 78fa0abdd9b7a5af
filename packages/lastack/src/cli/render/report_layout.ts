import { wrapText as wrapWords } from '@lastack/core';
import { printable } from './printable.ts';
import type { Style } from './style.ts';

export interface PageOptions {
  /** Columns. */
  width: number;
  style: Style;
  /** Nothing but ASCII, for terminals without UTF-8. */
  ascii?: boolean;
}

/** Lines longer than this are hard to read, however wide the terminal is. */
const MAX_WIDTH = 110;
const MIN_WIDTH = 40;
/** From here on labels stand beside their text, below it above. */
const BESIDE_WIDTH = 64;
const LABEL_INDENT = 2;
const LABEL_WIDTH = 10;
const BELOW_INDENT = 4;

const ASCII: Readonly<Record<string, string>> = {
  '→': '->',
  '←': '<-',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '…': '...',
  '·': '-',
  '–': '-',
  '—': '-',
  '≥': '>=',
  '≤': '<=',
  '×': 'x',
  µ: 'u',
  '✖': 'X',
  '▲': '!',
  '●': '*',
  '✔': '=',
};

/** Stands for the blanks inside `1 min 10 s` while lines are broken: no other text can hold it. */
const GLUE = '\u0000';

/** As wrapText of the core, but a duration stays whole, and a word that is wider than the page does not. */
export function wrapText(text: string, width: number, indent = '', first = indent): string[] {
  const glued = text
    .replace(/(\d) (?=(?:ms|s|min|h|d)\b)/g, `$1${GLUE}`)
    .replace(/(\0(?:min|h|d)) (?=\d+\0)/g, `$1${GLUE}`);
  return wrapWords(glued, width, indent, first)
    .map((line) => line.replaceAll(GLUE, ' '))
    .flatMap((line) => cutWide(line, width, indent));
}

/** A path or a name too long for one line goes on in the next, from behind a separator where there is one. */
function cutWide(line: string, width: number, indent: string): string[] {
  if (line.length <= width || width <= indent.length) return [line];
  const fitting = line.slice(0, width);
  const separator = Math.max(...['/', '_', '.', '-', ':'].map((sign) => fitting.lastIndexOf(sign)));
  const end = separator > width / 2 ? separator + 1 : width;
  return [line.slice(0, end), ...cutWide(indent + line.slice(end), width, indent)];
}

/**
 * A page of labelled paragraphs. Every text passes `say` before it is measured: control characters are escaped, and what
 * the terminal cannot show is replaced.
 */
export class Page {
  readonly width: number;
  readonly style: Style;
  readonly ascii: boolean;
  /** Columns of text beside (or below) a label. */
  readonly bodyWidth: number;
  readonly #beside: boolean;

  constructor({ width, style, ascii = false }: PageOptions) {
    this.width = Math.max(MIN_WIDTH, Math.min(width, MAX_WIDTH));
    this.style = style;
    this.ascii = ascii;
    this.#beside = this.width >= BESIDE_WIDTH;
    this.bodyWidth = this.width - (this.#beside ? LABEL_INDENT + LABEL_WIDTH : BELOW_INDENT);
  }

  say(text: string): string {
    const safe = printable(text);
    return this.ascii ? safe.replace(/[^ -~]/gu, (character) => ASCII[character] ?? '?') : safe;
  }

  /** Text of the page's full width. */
  prose(text: string, indent = '', first = indent): string[] {
    return wrapText(this.say(text), this.width, indent, first);
  }

  /** Text to stand beside a label. */
  body(text: string, indent = '', first = ''): string[] {
    return wrapText(this.say(text), this.bodyWidth, indent, first);
  }

  /** Ready lines under a label; nothing when there are none. */
  labelled(label: string, lines: readonly string[]): string[] {
    if (lines.length === 0) return [];
    const { dim } = this.style;
    if (!this.#beside) {
      return [`${' '.repeat(LABEL_INDENT)}${dim(label)}`, ...lines.map((line) => ' '.repeat(BELOW_INDENT) + line)];
    }
    const margin = ' '.repeat(LABEL_INDENT + LABEL_WIDTH);
    const first = `${' '.repeat(LABEL_INDENT)}${dim(label)}${' '.repeat(Math.max(1, LABEL_WIDTH - label.length))}`;
    return lines.map((line, index) => (index === 0 ? first : margin) + line);
  }

  paragraph(label: string, text: string | undefined): string[] {
    return text === undefined ? [] : this.labelled(label, this.body(text));
  }

  /**
   * Facts with their values in two columns, the source dimmed behind the value; below each other where the page is too
   * narrow for columns.
   */
  facts(rows: readonly { fact: string; value: string | number; source?: string }[]): string[] {
    const said = rows.map(({ fact, value, source }) => ({
      fact: this.say(fact),
      value: this.say(String(value)),
      source: source === undefined ? undefined : this.say(`(${source})`),
    }));
    const longest = Math.max(0, ...said.map(({ fact }) => fact.length));
    const factWidth = Math.min(longest, Math.floor(this.bodyWidth * 0.48));
    if (this.bodyWidth < 2 * MIN_COLUMN) {
      return said.flatMap(({ fact, value, source }) =>
        this.#withSource(wrapText(`${fact}: ${value}`, this.bodyWidth, '  ', ''), source, this.bodyWidth, '  '),
      );
    }
    const right = this.bodyWidth - factWidth - 2;
    return said.flatMap(({ fact, value, source }) => {
      const left = wrapText(fact, factWidth, '  ', '');
      const values = this.#withSource(wrapText(value, right), source, right, '');
      return Array.from({ length: Math.max(left.length, values.length) }, (_, index) =>
        `${(left[index] ?? '').padEnd(factWidth)}  ${values[index] ?? ''}`.trimEnd(),
      );
    });
  }

  /** The source behind the last line where it fits, else on its own lines. */
  #withSource(lines: string[], source: string | undefined, width: number, indent: string): string[] {
    if (source === undefined) return lines;
    const { dim } = this.style;
    const last = lines[lines.length - 1] ?? '';
    if (last.length + 1 + source.length <= width) return [...lines.slice(0, -1), `${last} ${dim(source)}`];
    return [...lines, ...wrapText(source, width, indent).map((line) => dimBehindIndent(line, dim))];
  }
}

const MIN_COLUMN = 26;

/** Dims a line but not the blanks it begins with. */
export function dimBehindIndent(line: string, dim: Style['dim']): string {
  const text = line.trimStart();
  return line.slice(0, line.length - text.length) + dim(text);
}
