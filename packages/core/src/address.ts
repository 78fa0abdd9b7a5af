/** `::ffff:10.0.0.1` → `10.0.0.1`: the address as its user knows it, and as its neighbours and routes are known. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** `10.0.0.1:80`, `[fe80::1]:80`. */
export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
