import { getSystemErrorName } from 'node:util';
import { ANY_DUAL, ANY_IPV4, ANY_IPV6, type BindAddress, type BindSet, OPTIONS_OF } from '@lastack/core';
import { conntrackAddressBytes, localAddresses, tryBind } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';

/** What bind(2) answered for each option set at one address: `ok` or the name of an errno. */
export interface TriedAddress {
  at: BindAddress;
  results: Record<BindSet, string>;
}

const LOOPBACK_4: BindAddress = { family: 4, address: '127.0.0.1', v6only: false };
const LOOPBACK_6: BindAddress = { family: 6, address: '::1', v6only: false };
/** All of 127.0.0.0/8 is local where the loopback is up. */
const OTHER_LOOPBACK: BindAddress = { family: 4, address: '127.0.0.2', v6only: false };

/** No socket of the address family can be made: says nothing about the port. */
const NO_FAMILY: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EPROTONOSUPPORT']);

/** The addresses that the plain question is about: a server binds one or the other. */
export const WILDCARDS: readonly BindAddress[] = [ANY_IPV4, ANY_DUAL];

/** A local address that no holder is bound to: whether another address would do. */
export function otherAddress(held: ReadonlySet<string>): BindAddress | undefined {
  const candidates: BindAddress[] = localAddresses()
    .filter(({ isLoopback, address }) => !isLoopback && !address.startsWith('fe80:'))
    .sort((one, other) => one.family - other.family)
    .map(({ family, address }) => ({ family, address, v6only: false }));
  return [...candidates, OTHER_LOOPBACK].find(({ address }) => !held.has(address));
}

/**
 * The kernel remembers a successful SO_REUSEPORT bind with the port and lets the next one of the same user pass unchecked
 * (inet_csk_update_fastreuse): a bind shared by SO_REUSEADDR would make it forget that the holder never set
 * SO_REUSEPORT. A success without SO_REUSEPORT wipes that out. So each set is tried at all addresses before the next,
 * the wiping ones stand behind those with SO_REUSEPORT, and nothing is left for the programs that come after.
 */
const TRIAL_ORDER: readonly BindSet[] = ['reuseport', 'reuseaddr', 'both', 'reuseaddr', 'plain'];

/** Tries every option set at every address, on sockets that are closed at once. Dual-stack, which covers all, first. */
export function tryAddresses(effects: Effects, port: number, addresses: readonly BindAddress[]): TriedAddress[] {
  const tried = addresses.map((at) => ({ at, results: {} as Record<BindSet, string> }));
  const dualFirst = [...tried].sort((one, other) => Number(other.at === ANY_DUAL) - Number(one.at === ANY_DUAL));
  for (const set of TRIAL_ORDER) {
    for (const { at, results } of dualFirst) results[set] = tryOnce(effects, port, at, set);
  }
  return tried;
}

/** The addresses to try: the one asked about, then those that servers bind. */
export function addressesToTry(asked: BindAddress | undefined, other: BindAddress | undefined): BindAddress[] {
  const usual = [...WILDCARDS, ANY_IPV6, LOOPBACK_4, LOOPBACK_6, ...(other ? [other] : [])];
  if (!asked) return usual;
  return [asked, ...usual.filter(({ address, v6only }) => address !== asked.address || v6only !== asked.v6only)];
}

/** One bind for real: `ok` or the name of the errno. */
export function tryOnce(effects: Effects, port: number, at: BindAddress, set: BindSet): string {
  const errno = tryBind(effects.libc(), {
    address: conntrackAddressBytes(at.address) as Uint8Array,
    port,
    scopeId: at.scopeId,
    v6only: at.v6only,
    ...OPTIONS_OF[set],
  });
  return errno === 0 ? 'ok' : getSystemErrorName(-errno);
}

/** One answer for several addresses: `ok` only if all are, a missing address family left aside. */
export function together(results: readonly string[]): string {
  const counting = results.filter((result) => !NO_FAMILY.has(result));
  return (counting.length > 0 ? counting : results).find((result) => result !== 'ok') ?? 'ok';
}

/** Whether a plain bind would succeed now, with as few trials as that takes. */
export function tryPlain(effects: Effects, port: number, addresses: readonly BindAddress[]): string {
  return together(addresses.map((at) => tryOnce(effects, port, at, 'plain')));
}
