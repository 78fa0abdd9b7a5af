import { wrapText } from './report_layout.ts';
import type { Style } from './style.ts';

/** Prose wider than this is hard to read. */
const TEXT_WIDTH = 80;
export const INDENT = '  ';

/** A heading with what stands below it; nothing where there is nothing. */
export function section(title: string, body: readonly string[], style: Style): string[] {
  return body.length > 0 ? ['', style.bold(title), ...body] : [];
}

export function prose(text: string, width: number, indent = INDENT, first = indent): string[] {
  return wrapText(text, Math.min(width, TEXT_WIDTH), indent, first);
}

/** `label   text` in two columns, or below each other where the terminal is too narrow for that. */
export function pairs(rows: readonly (readonly [string, string])[], width: number): string[] {
  const widest = Math.max(0, ...rows.map(([label]) => label.length));
  if (INDENT.length + widest + 2 > width / 2) {
    return rows.flatMap(([label, text]) => [...prose(label, width), ...prose(text, width, '    ')]);
  }
  return rows.flatMap(([label, text]) => {
    const first = `${INDENT}${label.padEnd(widest)}  `;
    return prose(text, width, ' '.repeat(first.length), first);
  });
}
