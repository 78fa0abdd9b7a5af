import type { Effects } from '../../effects.ts';
import type { Journal } from '../../journal/journal.ts';
import { identifyNamespace } from '../../journal/sysctl_change.ts';
import { type Block, blockText } from './block.ts';
import type { BlockChange } from './change.ts';
import { blocksInForce, putInForce, sameConnections } from './in_force.ts';
import { nftOf } from './nft_program.ts';
import { makePermanent } from './permanent.ts';

export interface BlockRequest {
  blocks: readonly Block[];
  namespace: { inode: number; label: string };
  /** Where the file of permanent blocks is (`/etc`); undefined = until the host restarts at most. */
  permanentIn?: string;
}

/**
 * Blocks connections in the calling thread's namespace, with a journal entry first.
 * @returns the entry's id. @throws KernelError, UserError, file system errors of the permanent file
 */
export function addBlocks(effects: Effects, journal: Journal, request: BlockRequest): number {
  const { blocks, namespace, permanentIn } = request;
  const nft = nftOf(effects);
  const replaced = sameConnections(blocksInForce(nft), blocks);
  const change: BlockChange = {
    namespace: identifyNamespace(effects, namespace.inode, namespace.label),
    added: blocks,
    replaced: replaced.map(({ leftMs, ...block }) => ({
      ...block,
      ...(leftMs !== undefined && { untilMs: effects.now() + leftMs }),
    })),
    permanent: permanentIn !== undefined,
  };
  const summary = summaryOf(blocks, namespace.label);
  const id = journal.begin({ action: 'block', summary, data: change });
  let outcome = 'failed';
  try {
    putInForce(nft, blocks);
    outcome = 'in force';
    if (permanentIn !== undefined) {
      makePermanent(permanentIn, blocks);
      outcome = 'in force and permanent';
    }
  } finally {
    journal.end(id, { action: 'block', summary: `${summary}: ${outcome}` });
  }
  return id;
}

function summaryOf(blocks: readonly Block[], label: string): string {
  const [first] = blocks;
  const more = blocks.length === 1 ? '' : ` and ${blocks.length - 1} more`;
  return `block (${first.verdict}) ${blockText(first)}${more} in ${label}`;
}
