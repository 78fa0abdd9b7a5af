import { formatDuration } from '@lastack/core';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { namespacesIn } from '../../engine/namespaces.ts';
import type { JournalEntry } from '../../journal/journal.ts';
import { bootOf } from '../../journal/open.ts';
import { inNamespaceOf, type SysctlChange } from '../../journal/sysctl_change.ts';
import type { UndoHandler } from '../../journal/undo_handler.ts';
import { type Block, blockKey, blockText } from './block.ts';
import { type BlockChange, blockChangeOf } from './change.ts';
import { blocksInForce, putInForce, sameConnections, takeOutOfForce } from './in_force.ts';
import { nftOf } from './nft_program.ts';
import { forgetPermanent, permanentBlocks } from './permanent.ts';

const UNREADABLE = 'the entry does not tell what was blocked';

/** Takes blocks back, and puts those that they replaced in force again. @param etcRoot of permanent blocks */
export function makeBlockUndo(etcRoot = '/etc'): UndoHandler {
  return {
    describe(entry) {
      const change = blockChangeOf(entry.data);
      return change ? `remove ${textOf(change.added)} of ${change.namespace.label}` : entry.summary;
    },
    canUndo(entry, effects, earlier = []) {
      const change = blockChangeOf(entry.data);
      if (!change) return UNREADABLE;
      // What the entries that are reversed before this one will have put back.
      const assumed = earlier.flatMap(({ data }) => blockChangeOf(data)?.replaced ?? []);
      if (standing(assumed, change.added).length > 0) return undefined;
      const found = visit(effects, entry, change, () => ({ blocks: blocksInForce(nftOf(effects)) }));
      if (change.permanent && standing(permanentBlocks(etcRoot), change.added).length > 0) return undefined;
      if ('gone' in found) return { over: found.gone };
      if (standing(found.value.blocks, change.added).length > 0) return undefined;
      const why = 'it has expired, was removed, or was replaced';
      return { over: `${textOf(change.added)} is no longer in force: ${why}` };
    },
    undo(entry, effects) {
      const change = blockChangeOf(entry.data);
      if (!change) throw new UserError(`entry ${entry.id} cannot be undone: ${UNREADABLE}`, Exit.NOT_POSSIBLE);
      if (change.permanent) forgetPermanent(etcRoot, change.added);
      visit(effects, entry, change, () => takeBack(effects, change));
    },
    onUnfinished: 'report',
  };
}

/** Only what is still as it was set: a block that someone put in its place is left alone. */
function takeBack(effects: Effects, { added, replaced }: BlockChange): void {
  const nft = nftOf(effects);
  const mine = standing(blocksInForce(nft), added);
  const now = effects.now();
  const back = sameConnections(replaced, mine).flatMap(({ untilMs, ...block }): Block[] => {
    if (untilMs === undefined) return [{ ...block, timeoutMs: undefined }];
    return untilMs > now ? [{ ...block, timeoutMs: untilMs - now }] : [];
  });
  takeOutOfForce(nft, mine);
  if (back.length > 0) putInForce(nft, back);
}

/** The blocks of `added` that are among `present`, with the same verdict. */
function standing(present: readonly Block[], added: readonly Block[]): Block[] {
  const verdicts = new Map(present.map((block) => [blockKey(block), block.verdict]));
  return added.filter((block) => verdicts.get(blockKey(block)) === block.verdict);
}

function visit<T>(
  effects: Effects,
  entry: JournalEntry,
  change: BlockChange,
  work: () => T extends PromiseLike<unknown> ? never : T,
): ReturnType<typeof inNamespaceOf<T>> {
  const { namespace, boot } = placeNow(effects, entry, change);
  return inNamespaceOf(effects, boot, { namespace } as SysctlChange, work);
}

/** Permanent blocks are in force again after a restart, in what is the host's namespace then. */
function placeNow(effects: Effects, entry: JournalEntry, { namespace, permanent }: BlockChange) {
  const boot = bootOf(effects);
  if (!permanent || entry.boot === boot) return { namespace, boot: entry.boot };
  const host = namespacesIn(effects, 'all', []).find(({ label }) => label === 'host');
  return host ? { namespace: { inode: host.inode, label: host.label }, boot } : { namespace, boot: entry.boot };
}

function textOf(blocks: readonly Block[]): string {
  const [first] = blocks;
  if (!first) return 'no block';
  const more = blocks.length === 1 ? '' : ` and ${blocks.length - 1} more`;
  const span = first.timeoutMs === undefined ? '' : ` for ${formatDuration(first.timeoutMs)}`;
  return `the block of ${blockText(first)} (${first.verdict}${span})${more}`;
}

export const BLOCK_UNDO: UndoHandler = makeBlockUndo();
