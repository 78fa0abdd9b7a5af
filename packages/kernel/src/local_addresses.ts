import { networkInterfaces } from 'node:os';

export interface LocalAddress {
  family: 4 | 6;
  /** Without scope. */
  address: string;
  interface: string;
  /** Interface index, for link-local addresses. */
  scopeId?: number;
  isLoopback: boolean;
}

/**
 * Addresses of the interfaces that are up, in the network namespace of the calling thread. More may be local: all of
 * 127.0.0.0/8, and what the routing table says besides.
 */
export function localAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map((entry) => ({
      family: entry.family === 'IPv6' ? (6 as const) : (4 as const),
      address: entry.address,
      interface: name,
      scopeId: entry.family === 'IPv6' ? entry.scopeid || undefined : undefined,
      isLoopback: entry.internal,
    })),
  );
}
