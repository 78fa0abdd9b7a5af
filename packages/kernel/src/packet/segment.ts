import { IPPROTO_TCP } from '../wire/inet_diag.ts';
import { addWords, foldChecksum, pseudoHeaderSum } from './checksum.ts';
import { decodeIpv4, encodeIpv4, IPV4_HEADER_BYTES, ipv4HeaderBytes } from './ipv4.ts';
import { decodeIpv6, encodeIpv6, findIpv6Payload, IPV6_HEADER_BYTES } from './ipv6.ts';
import { decodeTcp, encodeTcp, TCP_HEADER_BYTES, type TcpHeader } from './tcp.ts';

/** One TCP segment in an IP packet, as far as lastack looks. */
export interface Segment {
  /** 4 or 16 bytes in network order, both alike. */
  source: Uint8Array;
  destination: Uint8Array;
  tcp: TcpHeader;
  /** Bytes of data it carried on the wire, also when the capture is cut. */
  payloadBytes: number;
}

export interface SegmentDraft {
  source: Uint8Array;
  destination: Uint8Array;
  tcp: Pick<TcpHeader, 'sourcePort' | 'destinationPort' | 'sequence' | 'flags'> & Partial<TcpHeader>;
  payload?: Uint8Array;
  /** Default 64. */
  hopLimit?: number;
}

const HOP_LIMIT = 64;
const NOTHING = new Uint8Array(0);

/** A whole IP packet, ready for a raw socket. @throws RangeError when the addresses are of two families */
export function encodeSegment({ source, destination, tcp, payload, hopLimit }: SegmentDraft): Uint8Array {
  const header = { acknowledgment: 0, window: 0, urgentPointer: 0, options: NOTHING, ...tcp };
  const body = encodeTcp(header, payload ?? NOTHING, source, destination);
  const head =
    source.length === 4
      ? ipv4Head(source, destination, body.length, hopLimit ?? HOP_LIMIT)
      : ipv6Head(source, destination, body.length, hopLimit ?? HOP_LIMIT);
  const packet = new Uint8Array(head.length + body.length);
  packet.set(head);
  packet.set(body, head.length);
  return packet;
}

function ipv4Head(source: Uint8Array, destination: Uint8Array, length: number, timeToLive: number): Uint8Array {
  return encodeIpv4({
    trafficClass: 0,
    totalLength: IPV4_HEADER_BYTES + length,
    identification: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    timeToLive,
    protocol: IPPROTO_TCP,
    source,
    destination,
    options: NOTHING,
  });
}

function ipv6Head(source: Uint8Array, destination: Uint8Array, length: number, hopLimit: number): Uint8Array {
  const fixed = { trafficClass: 0, flowLabel: 0, nextHeader: IPPROTO_TCP, hopLimit };
  return encodeIpv6({ ...fixed, payloadLength: length, source, destination });
}

/** Where things are in a captured IP packet. */
interface Layout {
  source: Uint8Array;
  destination: Uint8Array;
  tcpAt: number;
  /** End of the packet by its own header, or of what was on the wire when that does not say. */
  end: number;
}

/**
 * Reads a captured packet that begins with its IP header.
 * @param wireLength how long it was before the capture cut it
 * @returns undefined for anything but a TCP segment whose headers are whole: other protocols, later fragments, garbage
 */
export function decodeSegment(bytes: Uint8Array, wireLength = bytes.length): Segment | undefined {
  const layout = layoutOf(bytes, wireLength);
  const tcp = layout && decodeTcp(bytes, layout.tcpAt);
  if (!tcp) return undefined;
  const payloadBytes = layout.end - layout.tcpAt - TCP_HEADER_BYTES - tcp.options.length;
  if (payloadBytes < 0) return undefined;
  return { source: layout.source, destination: layout.destination, tcp, payloadBytes };
}

/**
 * Whether the checksums of a whole captured packet hold. Packets that never left the host often carry none yet: the
 * kernel leaves them to the network card.
 */
export function checksumsHold(bytes: Uint8Array): boolean {
  const layout = layoutOf(bytes, bytes.length);
  if (!layout || layout.end > bytes.length) return false;
  if (bytes[0] >> 4 === 4 && foldChecksum(addWords(0, bytes, 0, ipv4HeaderBytes(bytes))) !== 0) return false;
  const pseudo = pseudoHeaderSum(layout.source, layout.destination, layout.end - layout.tcpAt);
  return foldChecksum(addWords(pseudo, bytes, layout.tcpAt, layout.end)) === 0;
}

function layoutOf(bytes: Uint8Array, wireLength: number): Layout | undefined {
  const version = bytes.length === 0 ? 0 : bytes[0] >> 4;
  if (version === 4) return layoutOf4(bytes, wireLength);
  return version === 6 ? layoutOf6(bytes, wireLength) : undefined;
}

function layoutOf4(bytes: Uint8Array, wireLength: number): Layout | undefined {
  const header = decodeIpv4(bytes);
  if (!header || header.protocol !== IPPROTO_TCP || header.fragmentOffset !== 0) return undefined;
  const { source, destination, totalLength } = header;
  return { source, destination, tcpAt: ipv4HeaderBytes(bytes), end: totalLength || wireLength };
}

function layoutOf6(bytes: Uint8Array, wireLength: number): Layout | undefined {
  const header = decodeIpv6(bytes);
  const tcpAt = header && findIpv6Payload(bytes, IPPROTO_TCP);
  if (tcpAt === undefined) return undefined;
  const { source, destination, payloadLength } = header as NonNullable<typeof header>;
  return { source, destination, tcpAt, end: payloadLength === 0 ? wireLength : IPV6_HEADER_BYTES + payloadLength };
}
