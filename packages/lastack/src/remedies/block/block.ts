import { conntrackKey, type EndpointAddress, plainAddress } from '@lastack/core';
import { conntrackAddressBytes } from '@lastack/kernel';

/** `reject` answers the packets with a reset, `drop` swallows them. */
export type Verdict = 'reject' | 'drop';
export const VERDICTS: readonly Verdict[] = ['reject', 'drop'];

/** One blocked connection: its packets in both directions, and those of any later connection with the same ends. */
export interface Block {
  verdict: Verdict;
  local: EndpointAddress;
  remote: EndpointAddress;
  /** How long it stands from when it is added; undefined = until it is removed. */
  timeoutMs?: number;
  /** Time left, where it was read from the kernel. */
  leftMs?: number;
}

export function familyOf({ local }: Pick<Block, 'local'>): 4 | 6 {
  return local.address.includes(':') ? 6 : 4;
}

/** The same for both directions. */
export function blockKey({ local, remote }: Pick<Block, 'local' | 'remote'>): string {
  return [conntrackKey(local, remote), conntrackKey(remote, local)].sort()[0];
}

/** With plain addresses: packets of a v4-mapped connection are IPv4. */
export function blockOf(local: EndpointAddress, remote: EndpointAddress, verdict: Verdict, timeoutMs?: number): Block {
  return { verdict, local: plain(local), remote: plain(remote), ...(timeoutMs !== undefined && { timeoutMs }) };
}

function plain({ address, port }: EndpointAddress): EndpointAddress {
  return { address: plainAddress(address), port };
}

/** A block from JSON that may hold anything: nft's output, the journal, a file. Undefined when it is none. */
export function readBlock(value: unknown): Block | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { verdict, local, remote, timeoutMs } = value as Record<string, unknown>;
  const known = VERDICTS.find((one) => one === verdict);
  const [here, there] = [readEndpoint(local), readEndpoint(remote)];
  if (!known || !here || !there || here.address.includes(':') !== there.address.includes(':')) return undefined;
  if (timeoutMs !== undefined && !isPositive(timeoutMs)) return undefined;
  return { verdict: known, local: here, remote: there, ...(isPositive(timeoutMs) && { timeoutMs }) };
}

function readEndpoint(value: unknown): EndpointAddress | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { address, port } = value as Record<string, unknown>;
  if (typeof address !== 'string' || conntrackAddressBytes(address) === undefined) return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 0xffff) return undefined;
  return plain({ address, port });
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** `10.0.0.1:80-10.0.0.2:443`, as `lastack why` and `lastack block` read it. */
export function blockText({ local, remote }: Pick<Block, 'local' | 'remote'>): string {
  return `${endText(local)}-${endText(remote)}`;
}

function endText({ address, port }: EndpointAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
