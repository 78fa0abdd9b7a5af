import { formatDuration } from '@lastack/core';
import { type Block, blockText } from '../../remedies/block/block.ts';
import type { ListedBlock } from '../../remedies/block/listed.ts';
import { printable } from './printable.ts';

/** One line a block: what is blocked, how, for how long still. */
export function renderBlocks(blocks: readonly ListedBlock[], withNamespace: boolean): string {
  const rows = blocks.map((block) => [
    ...(withNamespace ? [printable(block.namespace.label)] : []),
    blockText(block),
    block.verdict,
    leftText(block),
  ]);
  const header = [...(withNamespace ? ['NETNS'] : []), 'CONNECTION', 'VERDICT', 'TIME LEFT'];
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
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
