import type { EndpointAddress } from '@lastack/core';
import type { ListedBlock } from '../remedies/block/listed.ts';

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
