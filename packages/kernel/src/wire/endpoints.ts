import type { NumberedRows } from '@lastack/core';
import { AF_INET6, DiagField } from './inet_diag.ts';
import { LITTLE_ENDIAN } from './netlink.ts';
import { numberRows } from './number_rows.ts';
import { LOCAL_WORD, mix, PORTS_WORD, REMOTE_WORD, ROW_BYTES, ROW_WORDS } from './row_layout.ts';

/** The rows of a table as loops read them. Words are signed: those above 2^31 would be boxed one by one. */
export interface RawRows {
  bytes: Uint8Array;
  words: Int32Array;
}

/** Third word of a v4-mapped address as this machine reads it. */
const MAPPED_WORD = LITTLE_ENDIAN ? 0xffff_0000 | 0 : 0x0000_ffff;

/**
 * Hash of the connection's two endpoints, the local one first; a v4-mapped address counts as the IPv4 address it holds.
 * `mirrored` puts the remote one first: equal to the plain hash of the other end of the same connection. Signed.
 */
export function endpointHash({ bytes, words }: RawRows, row: number, mirrored: boolean): number {
  const at = row * ROW_WORDS;
  const ports = words[at + PORTS_WORD];
  const isIpv6 = bytes[row * ROW_BYTES] === AF_INET6;
  const local = isIpv6 ? ipv6Hash(words, at + LOCAL_WORD) : words[at + LOCAL_WORD];
  const remote = isIpv6 ? ipv6Hash(words, at + REMOTE_WORD) : words[at + REMOTE_WORD];
  return mirrored ? mix(remote, local, exchanged(ports)) : mix(local, remote, ports);
}

/** Numbers rows by remote address and port. */
export function rowsByRemote({ bytes, words }: RawRows, rows: ArrayLike<number>): NumberedRows {
  const hashes = new Int32Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const byte = rows[index] * ROW_BYTES;
    const at = rows[index] * ROW_WORDS + REMOTE_WORD;
    const port = byte + DiagField.remotePort;
    const address = bytes[byte] === AF_INET6 ? ipv6Hash(words, at) : words[at];
    hashes[index] = mix(address, bytes[port], bytes[port + 1]);
  }
  const isSame = (row: number, other: number) => {
    const port = row * ROW_BYTES + DiagField.remotePort;
    const otherPort = other * ROW_BYTES + DiagField.remotePort;
    if (bytes[port] !== bytes[otherPort] || bytes[port + 1] !== bytes[otherPort + 1]) return false;
    const isIpv6 = bytes[row * ROW_BYTES] === AF_INET6;
    const otherIsIpv6 = bytes[other * ROW_BYTES] === AF_INET6;
    const at = row * ROW_WORDS + REMOTE_WORD;
    return isSameAddress(words, at, isIpv6, words, other * ROW_WORDS + REMOTE_WORD, otherIsIpv6);
  };
  return numberRows(rows, hashes, isSame);
}

export function ipv6Hash(words: Int32Array, at: number): number {
  if (isMapped(words, at)) return words[at + 3];
  return mix(mix(words[at], words[at + 1], words[at + 2]), words[at + 3], 0);
}

function isMapped(words: Int32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED_WORD;
}

function exchanged(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}

/** Both ports in one number that the two ends of a connection share: a cheap first test before the hash. */
export function portPair(ports: number): number {
  return (ports ^ (ports >>> 16)) & 0xffff;
}

/** Whether two rows are the two ends of one connection, by addresses and ports. */
export function isMirror(table: RawRows, row: number, other: RawRows, otherRow: number): boolean {
  const at = row * ROW_WORDS;
  const otherAt = otherRow * ROW_WORDS;
  if (exchanged(table.words[at + PORTS_WORD]) !== other.words[otherAt + PORTS_WORD]) return false;
  const isIpv6 = table.bytes[row * ROW_BYTES] === AF_INET6;
  const otherIsIpv6 = other.bytes[otherRow * ROW_BYTES] === AF_INET6;
  return (
    isSameAddress(table.words, at + LOCAL_WORD, isIpv6, other.words, otherAt + REMOTE_WORD, otherIsIpv6) &&
    isSameAddress(table.words, at + REMOTE_WORD, isIpv6, other.words, otherAt + LOCAL_WORD, otherIsIpv6)
  );
}

/** An IPv4 address is also the same as its v4-mapped form. */
function isSameAddress(
  words: Int32Array,
  at: number,
  isIpv6: boolean,
  others: Int32Array,
  otherAt: number,
  otherIsIpv6: boolean,
): boolean {
  if (!isIpv6 && !otherIsIpv6) return words[at] === others[otherAt];
  if (!isIpv6) return isMapped(others, otherAt) && others[otherAt + 3] === words[at];
  if (!otherIsIpv6) return isMapped(words, at) && words[at + 3] === others[otherAt];
  for (let word = 0; word < 4; word++) if (words[at + word] !== others[otherAt + word]) return false;
  return true;
}
