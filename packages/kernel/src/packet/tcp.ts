import { addWords, foldChecksum, pseudoHeaderSum } from './checksum.ts';

/** Bits of `TcpHeader.flags`, RFC 9293 §3.1. */
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

export interface TcpHeader {
  sourcePort: number;
  destinationPort: number;
  /** 0 … 2^32-1. */
  sequence: number;
  /** Means something only with the ACK flag. */
  acknowledgment: number;
  /** TcpFlag bits. */
  flags: number;
  /** As in the header, not scaled. */
  window: number;
  urgentPointer: number;
  /** As on the wire, padded to a multiple of 4, at most 40 bytes. */
  options: Uint8Array;
}

export const TCP_HEADER_BYTES = 20;
const LARGEST_OPTIONS = 40;
const CHECKSUM = 16;

/** Header and payload, with the checksum for these addresses (4 or 16 bytes each). @throws RangeError */
export function encodeTcp(
  header: TcpHeader,
  payload: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
): Uint8Array {
  const { options } = header;
  if (options.length % 4 !== 0 || options.length > LARGEST_OPTIONS) throw new RangeError('TCP options do not fit');
  const headerBytes = TCP_HEADER_BYTES + options.length;
  const bytes = new Uint8Array(headerBytes + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, header.sourcePort);
  view.setUint16(2, header.destinationPort);
  view.setUint32(4, header.sequence);
  view.setUint32(8, header.acknowledgment);
  bytes[12] = (headerBytes / 4) << 4;
  bytes[13] = header.flags;
  view.setUint16(14, header.window);
  view.setUint16(18, header.urgentPointer);
  bytes.set(options, TCP_HEADER_BYTES);
  bytes.set(payload, headerBytes);
  view.setUint16(CHECKSUM, foldChecksum(addWords(pseudoHeaderSum(source, destination, bytes.length), bytes)));
  return bytes;
}

/** The header that begins at `at`; undefined when it is not whole. The checksum is not looked at. */
export function decodeTcp(bytes: Uint8Array, at: number): TcpHeader | undefined {
  if (at + TCP_HEADER_BYTES > bytes.length) return undefined;
  const headerBytes = tcpHeaderBytes(bytes, at);
  if (headerBytes < TCP_HEADER_BYTES || at + headerBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: bytes[at + 13],
    window: view.getUint16(14),
    urgentPointer: view.getUint16(18),
    options: bytes.slice(at + TCP_HEADER_BYTES, at + headerBytes),
  };
}

function tcpHeaderBytes(bytes: Uint8Array, at: number): number {
  return (bytes[at + 12] >> 4) * 4;
}

/** Sequence numbers wrap: `by` may be negative. */
export function addToSequence(sequence: number, by: number): number {
  return (sequence + by) >>> 0;
}

/** Whether `one` comes after `other` in sequence space: true for half of all numbers (RFC 9293 §3.4). */
export function isAfter(one: number, other: number): boolean {
  return ((one - other) | 0) > 0;
}
