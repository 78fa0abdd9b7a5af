import { IPPROTO_TCP } from '../wire/inet_diag.ts';

/**
 * The Internet checksum's running sum (RFC 1071): adds the 16-bit big-endian words of bytes[from, to) to `sum`. An odd
 * last byte counts as if a zero followed it, so only the last part of what is summed may have an odd length.
 * @returns less than 2^32, for at most 64 KiB in all
 */
export function addWords(sum: number, bytes: Uint8Array, from = 0, to = bytes.length): number {
  let total = sum;
  let at = from;
  for (; at + 1 < to; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  if (at < to) total += bytes[at] << 8;
  return total;
}

/** Folds a running sum to 16 bits and inverts it: what goes into the checksum field. 0 when verifying a good packet. */
export function foldChecksum(sum: number): number {
  let total = sum;
  while (total > 0xffff) total = Math.floor(total / 0x1_0000) + (total % 0x1_0000);
  return ~total & 0xffff;
}

/** The pseudo-header's share of a TCP checksum: RFC 9293 §3.1 for 4-byte addresses, RFC 8200 §8.1 for 16-byte ones. */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, tcpBytes: number): number {
  const length = Math.floor(tcpBytes / 0x1_0000) + (tcpBytes % 0x1_0000);
  return addWords(addWords(length + IPPROTO_TCP, source), destination);
}
