/** The option sets that programs bind with, in the order in which they are shown. */
export const BIND_SETS = ['plain', 'reuseaddr', 'reuseport', 'both'] as const;
export type BindSet = (typeof BIND_SETS)[number];

export interface ReuseOptions {
  /** SO_REUSEADDR */
  reuseaddr: boolean;
  /** SO_REUSEPORT */
  reuseport: boolean;
}

export const OPTIONS_OF: Readonly<Record<BindSet, ReuseOptions>> = {
  plain: { reuseaddr: false, reuseport: false },
  reuseaddr: { reuseaddr: true, reuseport: false },
  reuseport: { reuseaddr: false, reuseport: true },
  both: { reuseaddr: true, reuseport: true },
};

/** Where a program may bind. An IPv4 address mapped into IPv6 is written as the IPv4 address. */
export interface BindAddress {
  family: 4 | 6;
  /** `0.0.0.0`, `::`, `127.0.0.1`, `fe80::1`: canonical, without brackets or scope. */
  address: string;
  /** IPV6_V6ONLY. Means something for `::` alone: without it `::` takes IPv4 as well (dual-stack). */
  v6only: boolean;
  /** Interface index of a link-local address (sin6_scope_id). */
  scopeId?: number;
}

export const ANY_IPV4: BindAddress = { family: 4, address: '0.0.0.0', v6only: false };
export const ANY_DUAL: BindAddress = { family: 6, address: '::', v6only: false };
export const ANY_IPV6: BindAddress = { family: 6, address: '::', v6only: true };

/** `0.0.0.0`, `:: (dual-stack)`, `:: (IPv6 only)`, `fe80::1`. */
export function bindAddressText({ address, v6only }: BindAddress): string {
  if (address !== '::') return address;
  return v6only ? ':: (IPv6 only)' : ':: (dual-stack)';
}
