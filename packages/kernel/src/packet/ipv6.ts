/** RFC 8200 §3. Addresses are 16 bytes in network order. */
export interface Ipv6Header {
  trafficClass: number;
  /** 20 bits. */
  flowLabel: number;
  /** What follows the fixed header, bytes; 0 for packets above 64 KiB. */
  payloadLength: number;
  nextHeader: number;
  hopLimit: number;
  source: Uint8Array;
  destination: Uint8Array;
}

export const IPV6_HEADER_BYTES = 40;

/** @throws RangeError for an address of a wrong length */
export function encodeIpv6(header: Ipv6Header): Uint8Array {
  const { source, destination } = header;
  if (source.length !== 16 || destination.length !== 16) throw new RangeError('an IPv6 address has 16 bytes');
  const bytes = new Uint8Array(IPV6_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ((6 << 28) | (header.trafficClass << 20) | header.flowLabel) >>> 0);
  view.setUint16(4, header.payloadLength);
  bytes[6] = header.nextHeader;
  bytes[7] = header.hopLimit;
  bytes.set(source, 8);
  bytes.set(destination, 24);
  return bytes;
}

/** @returns undefined when the bytes do not begin with a whole IPv6 header */
export function decodeIpv6(bytes: Uint8Array): Ipv6Header | undefined {
  if (bytes.length < IPV6_HEADER_BYTES || bytes[0] >> 4 !== 6) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const first = view.getUint32(0);
  return {
    trafficClass: (first >>> 20) & 0xff,
    flowLabel: first & 0xf_ffff,
    payloadLength: view.getUint16(4),
    nextHeader: bytes[6],
    hopLimit: bytes[7],
    source: bytes.slice(8, 24),
    destination: bytes.slice(24, 40),
  };
}

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION = 60;

/**
 * Walks over extension headers (RFC 8200 §4) to the one that holds `protocol`.
 * @returns where it begins; undefined when the packet carries something else, is a later fragment, or is cut short
 */
export function findIpv6Payload(bytes: Uint8Array, protocol: number): number | undefined {
  let next = bytes[6];
  let at = IPV6_HEADER_BYTES;
  while (next !== protocol) {
    if (at + 8 > bytes.length) return undefined;
    const length = extensionBytes(next, bytes[at + 1]);
    if (length === undefined) return undefined;
    // Only the first fragment begins with the transport's header.
    if (next === FRAGMENT && (((bytes[at + 2] << 8) | bytes[at + 3]) & 0xfff8) !== 0) return undefined;
    next = bytes[at];
    at += length;
  }
  return at;
}

function extensionBytes(type: number, lengthField: number): number | undefined {
  switch (type) {
    case HOP_BY_HOP:
    case ROUTING:
    case DESTINATION:
      return (lengthField + 1) * 8;
    case FRAGMENT:
      return 8;
    case AUTHENTICATION:
      return (lengthField + 2) * 4;
    default:
      return undefined;
  }
}
