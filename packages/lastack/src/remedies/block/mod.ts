import { type ClearTarget, TcpState } from '@lastack/core';
import { targetBatches } from '../../journal/target_data.ts';
import type { ApplyContext, Attempt, Remedy } from '../remedy.ts';
import { attemptsByNamespace } from '../shared/by_namespace.ts';
import { failedAttempt } from '../shared/failures.ts';
import { lookAgain } from '../shared/look_again.ts';
import { addBlocks } from './add.ts';
import { blockOf, type Verdict } from './block.ts';
import { blockRefusal } from './nft_program.ts';
import { previewBlock } from './preview.ts';

export interface BlockOptions {
  verdict: Verdict;
  /** undefined = until it is removed. */
  timeoutMs: number | undefined;
}

/** Long enough for retransmissions to meet it, short enough that nobody has to remember it. */
export const DEFAULT_BLOCK_MS = 600_000;

const WITHOUT_CONNECTION: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

/** A firewall rule for the connection's packets: one element in lastack's own nftables table, with an end. */
export function makeBlock(options: BlockOptions): Remedy {
  return {
    id: 'block',
    title: 'answer (or drop) the packets of the connection by a firewall rule that expires',
    undo: 'journal',
    probe: async (effects) => blockRefusal(effects),
    refuse({ state }, { refusals }) {
      if (refusals.block) return refusals.block;
      if (!WITHOUT_CONNECTION.has(state)) return undefined;
      return { outcome: 'unsupported', because: 'it has no connection whose packets could be blocked' };
    },
    preview: (target) => previewBlock(options.verdict, target),
    apply: (context, targets) => applyBlock(context, targets, options),
  };
}

async function applyBlock(
  context: ApplyContext,
  targets: readonly ClearTarget[],
  options: BlockOptions,
): Promise<(Attempt | undefined)[]> {
  let done = 0;
  return attemptsByNamespace(targets, async (inode, ofNamespace) => {
    const made: (Attempt | undefined)[] = [];
    for (const batch of targetBatches(ofNamespace)) {
      if (context.signal.aborted) break;
      made.push(...(await applyBatch(context, inode, batch, options)));
      done += batch.length;
      context.progress(done);
    }
    return made;
  });
}

async function applyBatch(
  context: ApplyContext,
  inode: number,
  batch: readonly ClearTarget[],
  { verdict, timeoutMs }: BlockOptions,
): Promise<(Attempt | undefined)[]> {
  // A rule knows addresses only: it may be made only while they are those of the socket meant.
  const attempts = await lookAgain(context, inode, batch);
  const there = batch.filter((_, index) => attempts[index] === undefined);
  if (there.length === 0) return attempts;
  const applied = blockThem(context, inode, there, { verdict, timeoutMs });
  return attempts.map((attempt, index) => {
    if (attempt || applied.outcome !== 'applied') return attempt ?? applied;
    return { ...applied, remains: previewBlock(verdict, batch[index]).remains };
  });
}

function blockThem(
  { effects, journal, inside }: ApplyContext,
  inode: number,
  targets: readonly ClearTarget[],
  { verdict, timeoutMs }: BlockOptions,
): Attempt {
  // Without the program there is no file either: that must not pass for a socket that has gone.
  const refusal = blockRefusal(effects);
  if (refusal) return refusal;
  const blocks = targets.map(({ local, remote }) => blockOf(local, remote, verdict, timeoutMs));
  const namespace = { inode, label: targets[0].namespaceLabel };
  try {
    inside(inode, () => addBlocks(effects, journal, { blocks, namespace }));
    return { outcome: 'applied' };
  } catch (error) {
    return failedAttempt(error);
  }
}
