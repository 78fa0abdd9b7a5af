import { isIPv6 } from 'node:net';
import type { Endpoint } from '../protocol.ts';
import { AF_INET, AF_INET6 } from './libc.ts';

/** The 16 bytes of a textual IPv6 address without scope (`fd77::1`, `::1`). */
function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = text.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const bytes = Buffer.alloc(16);
  left.forEach((word, index) => {
    bytes.writeUInt16BE(word, index * 2);
  });
  right.forEach((word, index) => {
    bytes.writeUInt16BE(word, 16 - (right.length - index) * 2);
  });
  return bytes;
}

export function familyOf(address: string): 4 | 6 {
  return isIPv6(address) ? 6 : 4;
}

export function domainOf(address: string): number {
  return familyOf(address) === 6 ? AF_INET6 : AF_INET;
}

/** struct sockaddr_in or sockaddr_in6; the family is in host order, which is little-endian wherever koffi runs Node. */
export function socketAddress({ address, port }: Endpoint): Buffer {
  const six = familyOf(address) === 6;
  const bytes = Buffer.alloc(six ? 28 : 16);
  bytes.writeUInt16LE(six ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (six) ipv6Bytes(address).copy(bytes, 8);
  else Buffer.from(address.split('.').map(Number)).copy(bytes, 4);
  return bytes;
}

/** Sixteen address bytes as text, plain form (no `::` shortening is needed to compare ports, so none is done). */
function ipv6Text(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return words.join(':');
}

export function endpointOf(bytes: Buffer): Endpoint {
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === AF_INET6) return { address: ipv6Text(bytes.subarray(8, 24)), port };
  return { address: [...bytes.subarray(4, 8)].join('.'), port };
}
