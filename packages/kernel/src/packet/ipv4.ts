import { addWords, foldChecksum } from './checksum.ts';

/** RFC 791. Addresses are 4 bytes in network order; numbers are as large as their fields. */
export interface Ipv4Header {
  /** DSCP and ECN. */
  trafficClass: number;
  /** Header and payload, bytes; 0 in what Linux captures of packets that are cut only later ("big TCP"). */
  totalLength: number;
  identification: number;
  dontFragment: boolean;
  moreFragments: boolean;
  /** In units of 8 bytes. */
  fragmentOffset: number;
  timeToLive: number;
  protocol: number;
  source: Uint8Array;
  destination: Uint8Array;
  /** As on the wire, padded to a multiple of 4, at most 40 bytes. */
  options: Uint8Array;
}

export const IPV4_HEADER_BYTES = 20;
const LARGEST_OPTIONS = 40;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** The header alone, with its checksum. @throws RangeError for addresses or options of a wrong length */
export function encodeIpv4(header: Ipv4Header): Uint8Array {
  const { source, destination, options } = header;
  if (source.length !== 4 || destination.length !== 4) throw new RangeError('an IPv4 address has 4 bytes');
  if (options.length % 4 !== 0 || options.length > LARGEST_OPTIONS) throw new RangeError('IPv4 options do not fit');
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + options.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x40 | (bytes.length / 4);
  bytes[1] = header.trafficClass;
  view.setUint16(2, header.totalLength);
  view.setUint16(4, header.identification);
  view.setUint16(6, flagsOf(header) | header.fragmentOffset);
  bytes[8] = header.timeToLive;
  bytes[9] = header.protocol;
  bytes.set(source, 12);
  bytes.set(destination, 16);
  bytes.set(options, IPV4_HEADER_BYTES);
  view.setUint16(10, foldChecksum(addWords(0, bytes)));
  return bytes;
}

function flagsOf({ dontFragment, moreFragments }: Ipv4Header): number {
  return (dontFragment ? DONT_FRAGMENT : 0) | (moreFragments ? MORE_FRAGMENTS : 0);
}

/** @returns undefined when the bytes do not begin with a whole IPv4 header. The checksum is not looked at. */
export function decodeIpv4(bytes: Uint8Array): Ipv4Header | undefined {
  if (bytes.length < IPV4_HEADER_BYTES || bytes[0] >> 4 !== 4) return undefined;
  const headerBytes = ipv4HeaderBytes(bytes);
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const fragment = view.getUint16(6);
  return {
    trafficClass: bytes[1],
    totalLength: view.getUint16(2),
    identification: view.getUint16(4),
    dontFragment: (fragment & DONT_FRAGMENT) !== 0,
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: fragment & OFFSET_MASK,
    timeToLive: bytes[8],
    protocol: bytes[9],
    source: bytes.slice(12, 16),
    destination: bytes.slice(16, 20),
    options: bytes.slice(IPV4_HEADER_BYTES, headerBytes),
  };
}

/** Length of the header that begins here, options included. */
export function ipv4HeaderBytes(bytes: Uint8Array): number {
  return (bytes[0] & 0x0f) * 4;
}
