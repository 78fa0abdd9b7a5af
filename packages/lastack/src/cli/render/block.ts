import { formatDuration } from '@lastack/core';
import { type Block, blockText } from '../../remedies/block/block.ts';
import type { ListedBlock } from '../../remedies/block/listed.ts';
import { fitLines } from './fit_lines.ts';
import { printable } from './printable.ts';

const BELOW_INDENT = '  ';

/**
 * One line a block: what is blocked, how, for how long still. Where that does not fit, the connection stands in a line of its own.
 * @param width of the terminal; undefined: lines as long as they like
 */
export function renderBlocks(blocks: readonly ListedBlock[], withNamespace: boolean, width?: number): string {
  const cells = (netns: string, connection: string, verdict: string, left: string) => ({
    connection,
    row: [...(withNamespace ? [netns] : []), connection, verdict, left],
  });
  const all = [
    cells('NETNS', 'CONNECTION', 'VERDICT', 'TIME LEFT'),
    ...blocks.map((block) => cells(printable(block.namespace.label), blockText(block), block.verdict, leftText(block))),
  ];
  const lines = inColumns(all.map(({ row }) => row));
  if (width === undefined || lines.every(({ length }) => length <= width)) return textOf(lines);
  const others = inColumns(all.map(({ row, connection }) => row.filter((cell) => cell !== connection)));
  return fitLines(textOf(all.flatMap(({ connection }, index) => [connection, BELOW_INDENT + others[index]])), width);
}

function inColumns(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function leftText({ leftMs, permanent, inForce }: ListedBlock): string {
  if (!inForce) return 'permanent, but not loaded now';
  if (permanent) return 'permanent';
  return leftMs === undefined ? 'until removed or restarted' : formatDuration(leftMs);
}

export function spanText({ timeoutMs }: Pick<Block, 'timeoutMs'>, permanent: boolean): string {
  if (permanent) return 'permanently';
  return timeoutMs === undefined ? 'until it is removed' : `for ${formatDuration(timeoutMs)}`;
}
