import type { Note } from '@lastack/core';
import type { Effects } from '../../effects.ts';
import { inside } from '../../engine/namespaces.ts';
import type { Journal } from '../../journal/journal.ts';
import { blockText } from './block.ts';
import { takeOutOfForce } from './in_force.ts';
import type { ListedBlock } from './listed.ts';
import { nftOf } from './nft_program.ts';
import { forgetPermanent } from './permanent.ts';

/** What became of one block. */
export interface Removal {
  block: ListedBlock;
  /** In the journal. */
  entry: number;
  /** Why it is still in force; undefined: it is removed. */
  because?: string;
}

/** Removes listed blocks, from the kernel and from the file. @throws KernelError, UserError, file system errors */
export function removeBlocks(
  effects: Effects,
  journal: Journal,
  blocks: readonly ListedBlock[],
  etcRoot: string,
): Removal[] {
  const nft = nftOf(effects);
  const removals: Removal[] = [];
  for (const namespace of new Set(blocks.map((block) => block.namespace))) {
    const mine = blocks.filter((block) => block.namespace === namespace);
    const more = mine.length === 1 ? '' : ` and ${mine.length - 1} more`;
    const summary = `remove the block of ${blockText(mine[0])}${more} in ${namespace.label}`;
    const removed = mine.map(({ verdict, local, remote, leftMs, permanent }) => ({
      verdict,
      local,
      remote,
      leftMs,
      permanent,
    }));
    const data = { namespace: { inode: namespace.inode, label: namespace.label }, removed };
    const id = journal.begin({ action: 'unblock', summary, data });
    let outcome = 'failed';
    try {
      const permanent = mine.filter((block) => block.permanent);
      if (permanent.length > 0) forgetPermanent(etcRoot, permanent);
      const notes: Note[] = [];
      const done = inside<true>(effects, namespace, notes, () => {
        takeOutOfForce(nft, mine);
        return true;
      });
      const because = done ? undefined : notes.map(noteText).join('; ');
      outcome = because === undefined ? 'removed' : `failed: ${because}`;
      removals.push(...mine.map((block) => ({ block, entry: id, because })));
    } finally {
      journal.end(id, { action: 'unblock', summary: `${summary}: ${outcome}` });
    }
  }
  return removals;
}

function noteText({ what, because, todo }: Note): string {
  return `${what}: ${because}${todo ? `; ${todo}` : ''}`;
}
