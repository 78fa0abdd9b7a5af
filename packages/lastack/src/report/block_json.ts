import type { ClearTarget, EndpointAddress, Note, Preview } from '@lastack/core';
import type { Effects } from '../effects.ts';
import type { Block } from '../remedies/block/block.ts';
import type { ListedBlock } from '../remedies/block/listed.ts';
import type { Removal } from '../remedies/block/remove.ts';
import { outcomeSocket } from './outcome_json.ts';

/** One element of `blocks` in `lastack.blocks/1`. */
export interface BlockJson {
  netns: string;
  local: EndpointAddress;
  remote: EndpointAddress;
  verdict: 'reject' | 'drop';
  /** Milliseconds; absent for a block without an end. */
  leftMs?: number;
  permanent: boolean;
  inForce: boolean;
}

export function blockJson({ namespace, local, remote, verdict, leftMs, permanent, inForce }: ListedBlock): BlockJson {
  return { netns: namespace.label, local, remote, verdict, leftMs, permanent, inForce };
}

type Host = Pick<Effects, 'hostname' | 'now'>;

function head({ hostname, now }: Host) {
  return { host: hostname, at: new Date(now()).toISOString() };
}

/** One document, schema lastack.blocks/1. */
export function blocksJson(effects: Host, blocks: readonly ListedBlock[], notes: readonly Note[]) {
  return { schema: 'lastack.blocks/1', ...head(effects), blocks: blocks.map(blockJson), notes };
}

/** A connection that is blocked now, or would be. */
export interface AddedBlock {
  block: Block;
  netns: string;
  permanent: boolean;
  /** The socket here and what it comes to; absent for a connection that only passes through, or is yet to come. */
  here?: { socket: ClearTarget; preview: Preview };
}

/** One document, schema lastack.blocked/1. @param added undefined: no socket matches */
export function blockedJson(
  effects: Host,
  added: AddedBlock | undefined,
  { dryRun, entry, todo }: { dryRun: boolean; entry?: number; todo: readonly string[] },
) {
  const blocks = added ? [addedJson(added)] : [];
  return { schema: 'lastack.blocked/1', ...head(effects), dryRun, entry, blocks, todo };
}

function addedJson({ block: { local, remote, verdict, timeoutMs }, netns, permanent, here }: AddedBlock) {
  const effect = here && {
    socket: outcomeSocket(here.socket),
    peerSees: here.preview.peerSees,
    programSees: here.preview.programSees,
    remains: here.preview.remains,
  };
  return { netns, local, remote, verdict, forMs: timeoutMs, permanent, ...effect };
}

/** One document, schema lastack.unblocked/1. @param removals undefined: none was tried */
export function unblockedJson(
  effects: Host,
  blocks: readonly ListedBlock[],
  removals: readonly Removal[] | undefined,
  notes: readonly Note[],
) {
  return {
    schema: 'lastack.unblocked/1',
    ...head(effects),
    dryRun: removals === undefined,
    blocks: removals
      ? removals.map(({ block, entry, because }) => ({
          ...blockJson(block),
          outcome: because === undefined ? 'removed' : 'failed',
          entry,
          because,
        }))
      : blocks.map((block) => ({ ...blockJson(block), outcome: 'planned' })),
    notes,
  };
}
