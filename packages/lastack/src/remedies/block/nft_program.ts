import type { Refusal } from '@lastack/core';
import {
  CapabilityBit,
  effectiveCapabilities,
  findNft,
  hasCapability,
  KernelError,
  type Nft,
  openNft,
} from '@lastack/kernel';
import type { Effects } from '../../effects.ts';

const MISSING = 'the program nft is missing';
const INSTALL = 'install nftables (apt-get install nftables, dnf install nftables)';

/** @throws KernelError when it is not installed */
export function nftOf({ env }: Pick<Effects, 'env'>): Nft {
  const program = findNft(env.PATH);
  if (program === undefined) throw new KernelError('using nftables', 2, { detail: MISSING, todo: INSTALL });
  return openNft(program);
}

/** Why nothing can be blocked here; undefined = it can, as far as can be told without changing anything. */
export function blockRefusal({ env, procRoot }: Pick<Effects, 'env' | 'procRoot'>): Refusal | undefined {
  if (findNft(env.PATH) === undefined) return { outcome: 'unsupported', because: MISSING, todo: INSTALL };
  if (hasCapability(effectiveCapabilities(procRoot), CapabilityBit.NET_ADMIN)) return undefined;
  return { outcome: 'not-permitted', because: 'CAP_NET_ADMIN is missing', todo: 'run as root or with CAP_NET_ADMIN' };
}
