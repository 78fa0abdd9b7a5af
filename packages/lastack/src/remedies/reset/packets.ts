import type { EndpointAddress } from '@lastack/core';
import { conntrackAddressBytes, encodeSegment, TcpFlag } from '@lastack/kernel';

/** One end of a connection as it stands in a packet. */
export interface WireEnd {
  /** Network byte order, 4 or 16 bytes; of an IPv4 address mapped into IPv6 the 4. */
  address: Uint8Array;
  port: number;
}

/** @throws RangeError when the address is none */
export function wireEnd({ address, port }: EndpointAddress): WireEnd {
  const bytes = conntrackAddressBytes(address.replace(/%.*$/, ''));
  if (!bytes) throw new RangeError(`not an address: ${JSON.stringify(address)}`);
  return { address: bytes, port };
}

/** A SYN of a connection that stands is never accepted, wherever its number lies: it is answered (RFC 5961 §4). */
export function spoofedSyn(from: WireEnd, to: WireEnd, sequence: number): Uint8Array {
  return packet(from, to, TcpFlag.SYN, sequence, 0);
}

/** An ACK outside of the window is answered with what was expected, one for no connection with a reset (RFC 9293 §3.10.7). */
export function spoofedAck(from: WireEnd, to: WireEnd, sequence: number, acknowledgment: number): Uint8Array {
  return packet(from, to, TcpFlag.ACK, sequence, acknowledgment);
}

/** Accepted where `sequence` is exactly what `to` expects next (RFC 5961 §3). */
export function exactReset(from: WireEnd, to: WireEnd, sequence: number): Uint8Array {
  return packet(from, to, TcpFlag.RST, sequence, 0);
}

/** Accepted in SYN_SENT: the refusal of the connection whose SYN had this number (RFC 9293 §3.10.7.3). */
export function refusal(from: WireEnd, to: WireEnd, synSequence: number): Uint8Array {
  return packet(from, to, TcpFlag.RST | TcpFlag.ACK, 0, (synSequence + 1) >>> 0);
}

/** Of no consequence to anybody, and unlike that of any reset that Linux sends: it has none. */
const WINDOW = 1_024;

function packet(from: WireEnd, to: WireEnd, flags: number, sequence: number, acknowledgment: number): Uint8Array {
  const tcp = { sourcePort: from.port, destinationPort: to.port, sequence, acknowledgment, flags, window: WINDOW };
  return encodeSegment({ source: from.address, destination: to.address, tcp });
}
