import type { ConntrackEnd, ConntrackEntry, ConntrackTuple } from '@lastack/core';
import { formatAddress } from './address.ts';
import { conntrackAddressBytes } from './conntrack_address.ts';
import { encodeMessage, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag } from './netlink.ts';

/** Message types of ctnetlink: subsystem 1 of nfnetlink, then IPCTNL_MSG_CT_* (nfnetlink_conntrack.h). */
export const ConntrackMessage = { NEW: 0x0100, GET: 0x0101, DELETE: 0x0102 } as const;

/** CTA_* attributes, as far as they are used. */
export const ConntrackAttribute = {
  TUPLE_ORIGINAL: 1,
  TUPLE_REPLY: 2,
  STATUS: 3,
  PROTOINFO: 4,
  TIMEOUT: 7,
  MARK: 8,
  ID: 12,
  ZONE: 18,
} as const;
/** Inside a tuple: CTA_TUPLE_*, CTA_IP_*, CTA_PROTO_*; and CTA_PROTOINFO_*. */
export const ConntrackNested = {
  TUPLE_IP: 1,
  TUPLE_PROTO: 2,
  TUPLE_ZONE: 3,
  IP_V4_SOURCE: 1,
  IP_V4_DESTINATION: 2,
  IP_V6_SOURCE: 3,
  IP_V6_DESTINATION: 4,
  PROTO_NUMBER: 1,
  PROTO_SOURCE_PORT: 2,
  PROTO_DESTINATION_PORT: 3,
  PROTOINFO_TCP: 1,
  PROTOINFO_TCP_STATE: 1,
} as const;

/** enum tcp_conntrack, by number. SYN_SENT2 is a simultaneous open. */
export const CONNTRACK_STATES: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
/** struct nfgenmsg: family, version, resource id. */
const NFGENMSG_BYTES = 4;
const NESTED = 0x8000;
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const ATTRIBUTE_HEADER_BYTES = 4;

/** A reply that is not what the kernel would write: cut short, or an attribute that passes its end. */
export class ConntrackFormatError extends Error {
  override readonly name = 'ConntrackFormatError';
}

/** Asks for every entry of both families; the kernel offers no cheaper choice that all versions know. */
export function encodeConntrackDump(sequence: number): Uint8Array {
  const flags = NlmFlag.REQUEST | NlmFlag.DUMP;
  return encodeMessage(ConntrackMessage.GET, flags, sequence, nfgenmsg(AF_UNSPEC));
}

/** One entry, named so exactly that no other can be meant. */
export interface ConntrackSelector {
  tuple: ConntrackTuple;
  /** The kernel answers ENOENT when the tuple now belongs to another entry. */
  id: number | undefined;
  zone: number;
}

/** Asks for one entry. The reply is one message, or ENOENT. @throws RangeError as encodeConntrackDelete */
export function encodeConntrackGet(sequence: number, selector: ConntrackSelector): Uint8Array {
  return encodeSelected(ConntrackMessage.GET, NlmFlag.REQUEST, sequence, selector);
}

/**
 * Deletes one entry. Without a tuple the kernel would flush the whole table: such a request cannot be written.
 * @throws RangeError when an address or port of the tuple is missing or is none
 */
export function encodeConntrackDelete(sequence: number, selector: ConntrackSelector): Uint8Array {
  return encodeSelected(ConntrackMessage.DELETE, NlmFlag.REQUEST | NlmFlag.ACK, sequence, selector);
}

function encodeSelected(
  type: number,
  flags: number,
  sequence: number,
  { tuple, id, zone }: ConntrackSelector,
): Uint8Array {
  const source = endOf(tuple?.source);
  const destination = endOf(tuple?.destination);
  if (source.address.length !== destination.address.length) {
    throw new RangeError('the two addresses of a conntrack tuple are of different families');
  }
  const isIpv4 = source.address.length === 4;
  const ip = attributes([
    [isIpv4 ? ConntrackNested.IP_V4_SOURCE : ConntrackNested.IP_V6_SOURCE, source.address],
    [isIpv4 ? ConntrackNested.IP_V4_DESTINATION : ConntrackNested.IP_V6_DESTINATION, destination.address],
  ]);
  const protocol = attributes([
    [ConntrackNested.PROTO_NUMBER, Uint8Array.of(IPPROTO_TCP)],
    [ConntrackNested.PROTO_SOURCE_PORT, big16(source.port)],
    [ConntrackNested.PROTO_DESTINATION_PORT, big16(destination.port)],
  ]);
  const nested = attributes([
    [ConntrackNested.TUPLE_IP | NESTED, ip],
    [ConntrackNested.TUPLE_PROTO | NESTED, protocol],
  ]);
  const parts: [number, Uint8Array][] = [[ConntrackAttribute.TUPLE_ORIGINAL | NESTED, nested]];
  if (id !== undefined) parts.push([ConntrackAttribute.ID, big32(id)]);
  if (zone !== 0) parts.push([ConntrackAttribute.ZONE, big16(zone)]);
  return encodeMessage(type, flags, sequence, nfgenmsg(isIpv4 ? AF_INET : AF_INET6), parts);
}

function endOf(end: ConntrackEnd | undefined): { address: Uint8Array; port: number } {
  const address = conntrackAddressBytes(end?.address ?? '');
  const port = end?.port;
  if (address === undefined) throw new RangeError('a conntrack tuple needs two addresses');
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > 0xffff) {
    throw new RangeError('a conntrack tuple needs two ports from 1 to 65535');
  }
  return { address, port };
}

function nfgenmsg(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0);
}

/** The attributes alone: a message without its header and body. */
function attributes(list: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  return encodeMessage(0, 0, 0, new Uint8Array(0), list).subarray(NLMSG_HEADER_BYTES);
}

function big16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 255, value & 255);
}

function big32(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/**
 * One message of type NEW, header included; undefined for entries of other protocols than TCP.
 * @throws ConntrackFormatError
 */
export function decodeConntrack(message: Uint8Array): ConntrackEntry | undefined {
  const view = openMessage(message);
  const code = view.getUint8(NLMSG_HEADER_BYTES);
  if (code !== AF_INET && code !== AF_INET6) return undefined;
  const family = code === AF_INET ? 4 : 6;
  const found: Found = { status: 0, zone: 0 };
  let isTcp = true;
  forEach(view, NLMSG_HEADER_BYTES + NFGENMSG_BYTES, view.byteLength, (type, at, end) => {
    switch (type) {
      case ConntrackAttribute.TUPLE_ORIGINAL:
      case ConntrackAttribute.TUPLE_REPLY: {
        const tuple = readTuple(view, at, end, family, found);
        if (tuple === undefined) isTcp = false;
        else if (type === ConntrackAttribute.TUPLE_ORIGINAL) found.original = tuple;
        else found.reply = tuple;
        break;
      }
      case ConntrackAttribute.STATUS:
        found.status = read32(view, at, end);
        break;
      case ConntrackAttribute.TIMEOUT:
        found.timeoutMs = read32(view, at, end) * 1000;
        break;
      case ConntrackAttribute.MARK:
        found.mark = read32(view, at, end);
        break;
      case ConntrackAttribute.ID:
        found.id = read32(view, at, end);
        break;
      case ConntrackAttribute.ZONE:
        found.zone = read16(view, at, end);
        break;
      case ConntrackAttribute.PROTOINFO:
        found.state = readState(view, at, end);
        break;
    }
  });
  if (!isTcp) return undefined;
  const { original, reply } = found;
  if (original === undefined || reply === undefined) throw new ConntrackFormatError('an entry lacks a tuple');
  return { family, ...found, original, reply };
}

interface Found extends Partial<Omit<ConntrackEntry, 'status' | 'zone'>> {
  status: number;
  zone: number;
}

function openMessage(message: Uint8Array): DataView {
  const least = NLMSG_HEADER_BYTES + NFGENMSG_BYTES;
  if (message.length < least) throw new ConntrackFormatError('a conntrack message is too short');
  const whole = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const length = whole.getUint32(0, LITTLE_ENDIAN);
  if (length < least || length > message.length) {
    throw new ConntrackFormatError('a conntrack message has a wrong length');
  }
  const type = whole.getUint16(4, LITTLE_ENDIAN);
  if (type !== ConntrackMessage.NEW) throw new ConntrackFormatError(`a conntrack message has type ${type}`);
  return new DataView(message.buffer, message.byteOffset, length);
}

/** Undefined for another protocol. A zone of one direction only stands inside its tuple. */
function readTuple(view: DataView, from: number, to: number, family: 4 | 6, found: Found): ConntrackTuple | undefined {
  let protocol: number | undefined;
  const tuple = { source: { address: '', port: 0 }, destination: { address: '', port: 0 } };
  forEach(view, from, to, (type, at, end) => {
    if (type === ConntrackNested.TUPLE_ZONE) found.zone = read16(view, at, end);
    else if (type === ConntrackNested.TUPLE_IP) readAddresses(view, at, end, family, tuple);
    else if (type === ConntrackNested.TUPLE_PROTO) protocol = readPorts(view, at, end, tuple);
  });
  if (protocol === undefined) throw new ConntrackFormatError('a tuple names no protocol');
  if (protocol !== IPPROTO_TCP) return undefined;
  if (tuple.source.address === '' || tuple.destination.address === '') {
    throw new ConntrackFormatError('a tuple lacks an address');
  }
  return tuple;
}

function readAddresses(view: DataView, from: number, to: number, family: 4 | 6, tuple: ConntrackTuple): void {
  const [source, destination] =
    family === 4
      ? [ConntrackNested.IP_V4_SOURCE, ConntrackNested.IP_V4_DESTINATION]
      : [ConntrackNested.IP_V6_SOURCE, ConntrackNested.IP_V6_DESTINATION];
  forEach(view, from, to, (type, at, end) => {
    if (type !== source && type !== destination) return;
    if (end - at !== (family === 4 ? 4 : 16)) throw new ConntrackFormatError('an address has a wrong length');
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    tuple[type === source ? 'source' : 'destination'].address = formatAddress(bytes, at, family);
  });
}

/** @returns the protocol number */
function readPorts(view: DataView, from: number, to: number, tuple: ConntrackTuple): number | undefined {
  let protocol: number | undefined;
  forEach(view, from, to, (type, at, end) => {
    if (type === ConntrackNested.PROTO_NUMBER) protocol = read8(view, at, end);
    else if (type === ConntrackNested.PROTO_SOURCE_PORT) tuple.source.port = read16(view, at, end);
    else if (type === ConntrackNested.PROTO_DESTINATION_PORT) tuple.destination.port = read16(view, at, end);
  });
  return protocol;
}

function readState(view: DataView, from: number, to: number): string | undefined {
  let state: string | undefined;
  forEach(view, from, to, (type, at, end) => {
    if (type !== ConntrackNested.PROTOINFO_TCP) return;
    forEach(view, at, end, (inner, value, valueEnd) => {
      if (inner !== ConntrackNested.PROTOINFO_TCP_STATE) return;
      const number = read8(view, value, valueEnd);
      state = CONNTRACK_STATES[number] ?? `state-${number}`;
    });
  });
  return state;
}

/** Visits each attribute of [from, to) with the bounds of its value. @throws ConntrackFormatError when one passes its end */
function forEach(
  view: DataView,
  from: number,
  to: number,
  visit: (type: number, at: number, end: number) => void,
): void {
  for (let at = from; at < to; ) {
    const left = to - at;
    const length = left < ATTRIBUTE_HEADER_BYTES ? 0 : view.getUint16(at, LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_BYTES || length > left) {
      throw new ConntrackFormatError('an attribute passes its end');
    }
    visit(view.getUint16(at + 2, LITTLE_ENDIAN) & ATTRIBUTE_TYPE_MASK, at + ATTRIBUTE_HEADER_BYTES, at + length);
    at += (length + 3) & ~3;
  }
}

function read8(view: DataView, at: number, end: number): number {
  if (end - at !== 1) throw new ConntrackFormatError('a number has a wrong length');
  return view.getUint8(at);
}

function read16(view: DataView, at: number, end: number): number {
  if (end - at !== 2) throw new ConntrackFormatError('a number has a wrong length');
  return view.getUint16(at);
}

function read32(view: DataView, at: number, end: number): number {
  if (end - at !== 4) throw new ConntrackFormatError('a number has a wrong length');
  return view.getUint32(at);
}
