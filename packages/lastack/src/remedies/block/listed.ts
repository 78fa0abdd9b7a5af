import type { Note } from '@lastack/core';
import { KernelError, type NamespaceRef } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { inside, namespacesIn, type Scope } from '../../engine/namespaces.ts';
import { type Block, blockKey } from './block.ts';
import { blocksInForce } from './in_force.ts';
import { nftOf } from './nft_program.ts';
import { permanentBlocks } from './permanent.ts';

/** A block with where it stands. */
export interface ListedBlock extends Block {
  namespace: NamespaceRef;
  /** It is in the file that is loaded when the host starts. */
  permanent: boolean;
  /** False for one that is only in the file. */
  inForce: boolean;
}

/**
 * The blocks of every namespace of the scope, those of the file with the host's. A namespace that cannot be read
 * becomes a note; that not one of them can be read is an error. @throws KernelError, file system errors
 */
export function listBlocks(effects: Effects, scope: Scope, etcRoot: string, notes: Note[]): ListedBlock[] {
  const listed: ListedBlock[] = [];
  const nft = nftOf(effects);
  const refs = namespacesIn(effects, scope, notes);
  let read = 0;
  let failure: unknown;
  for (const namespace of refs) {
    try {
      const present = inside(effects, namespace, notes, () => ({ blocks: blocksInForce(nft) }));
      if (present) read++;
      const kept = namespace.label === 'host' ? permanentBlocks(etcRoot) : [];
      listed.push(...joined(namespace, present?.blocks ?? [], kept));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      failure = error;
      notes.push({ what: `blocks of ${namespace.label}`, because: error.message, todo: error.todo, incomplete: true });
    }
  }
  if (read === 0 && failure) throw failure;
  return listed;
}

function joined(namespace: NamespaceRef, present: readonly Block[], kept: readonly Block[]): ListedBlock[] {
  const keptKeys = new Set(kept.map(blockKey));
  const presentKeys = new Set(present.map(blockKey));
  return [
    ...present.map((block) => ({ ...block, namespace, permanent: keptKeys.has(blockKey(block)), inForce: true })),
    ...kept
      .filter((block) => !presentKeys.has(blockKey(block)))
      .map((block) => ({ ...block, namespace, permanent: true, inForce: false })),
  ];
}
