import { formatAddress } from './address.ts';
import { encodeMessage, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmFlag } from './netlink.ts';

/** Message types and attributes of NETLINK_ROUTE (include/uapi/linux/rtnetlink.h, neighbour.h, if_link.h). */
export const RtmType = { NEWLINK: 16, GETLINK: 18, NEWROUTE: 24, GETROUTE: 26, NEWNEIGH: 28, GETNEIGH: 30 } as const;
const RtaType = { DESTINATION: 1, OUTPUT_INTERFACE: 4, GATEWAY: 5, PREFERRED_SOURCE: 7, MARK: 16, VIA: 18 };
const NdaType = { DESTINATION: 1 };
const IflaType = { NAME: 3, OPERSTATE: 16, CARRIER: 33 };

const AF_INET = 2;
const AF_INET6 = 10;
const RTMSG_BYTES = 12;
const NDMSG_BYTES = 12;
const IFINFOMSG_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The two upper bits of an attribute type are flags (nested, network byte order). */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** A reply that is not what the kernel would write: cut short, or an attribute that passes its end. */
export class RtnetlinkError extends Error {
  override readonly name = 'RtnetlinkError';
}

export interface RouteQuery {
  sequence: number;
  /** Network byte order, 4 or 16 bytes. */
  destination: Uint8Array;
  /** Needed for link-local destinations, and for sockets bound to a device. */
  interfaceIndex?: number;
  /** SO_MARK of the socket. */
  mark?: number;
}

export interface Route {
  family: 4 | 6;
  /** `unicast`, `local`, `blackhole`, …; `type-N` for a number unknown here. */
  type: string;
  /** Interface index packets leave by. */
  outputInterface?: number;
  gateway?: string;
  preferredSource?: string;
}

export interface Neighbour {
  interfaceIndex: number;
  address: string;
  /** `REACHABLE`, `STALE`, `FAILED`, …; several set bits are joined by `|`, none is `NONE`. */
  state: string;
}

export interface Link {
  index: number;
  name?: string;
  /** IFF_UP: whether the administrator wants it up. */
  up: boolean;
  /** Lower-case IF_OPER name: `up`, `down`, `lowerlayerdown`, `unknown`, … */
  operationalState?: string;
  carrier?: boolean;
}

/** RTM_GETROUTE for one destination: the reply is one RTM_NEWROUTE, or an error when no route leads there. */
export function routeRequest(query: RouteQuery): Uint8Array {
  const { destination, interfaceIndex, mark } = query;
  if (destination.length !== 4 && destination.length !== 16) throw new RangeError('an address has 4 or 16 bytes');
  const body = new Uint8Array(RTMSG_BYTES);
  body[0] = destination.length === 4 ? AF_INET : AF_INET6;
  body[1] = destination.length * 8;
  const attributes: [number, Uint8Array][] = [[RtaType.DESTINATION, destination]];
  if (interfaceIndex !== undefined) attributes.push([RtaType.OUTPUT_INTERFACE, uint32(interfaceIndex)]);
  if (mark !== undefined) attributes.push([RtaType.MARK, uint32(mark)]);
  return encodeMessage(RtmType.GETROUTE, NlmFlag.REQUEST, query.sequence, body, attributes);
}

/** RTM_GETNEIGH dump of both families. */
export function neighbourDumpRequest(sequence: number): Uint8Array {
  return encodeMessage(RtmType.GETNEIGH, NlmFlag.REQUEST | NlmFlag.DUMP, sequence, new Uint8Array(NDMSG_BYTES));
}

/** RTM_GETLINK dump. */
export function linkDumpRequest(sequence: number): Uint8Array {
  return encodeMessage(RtmType.GETLINK, NlmFlag.REQUEST | NlmFlag.DUMP, sequence, new Uint8Array(IFINFOMSG_BYTES));
}

/** One RTM_NEWROUTE message, header included. @throws RtnetlinkError */
export function decodeRoute(message: Uint8Array): Route {
  const { view, attributes } = openMessage(message, RtmType.NEWROUTE, RTMSG_BYTES);
  const family = familyOf(view.getUint8(0));
  const route: Route = { family, type: ROUTE_TYPES[view.getUint8(7)] ?? `type-${view.getUint8(7)}` };
  for (const { type, value } of attributes) {
    if (type === RtaType.OUTPUT_INTERFACE) route.outputInterface = readUint32(value);
    else if (type === RtaType.GATEWAY) route.gateway = addressOf(value, family);
    else if (type === RtaType.VIA) route.gateway = viaAddress(value);
    else if (type === RtaType.PREFERRED_SOURCE) route.preferredSource = addressOf(value, family);
  }
  return route;
}

/** One RTM_NEWNEIGH message; undefined for entries of other families (bridges). @throws RtnetlinkError */
export function decodeNeighbour(message: Uint8Array): Neighbour | undefined {
  const { view, attributes } = openMessage(message, RtmType.NEWNEIGH, NDMSG_BYTES);
  const family = view.getUint8(0);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const destination = attributes.find(({ type }) => type === NdaType.DESTINATION)?.value;
  if (destination === undefined) return undefined;
  return {
    interfaceIndex: view.getInt32(4, LITTLE_ENDIAN),
    address: addressOf(destination, familyOf(family)),
    state: neighbourState(view.getUint16(8, LITTLE_ENDIAN)),
  };
}

/** One RTM_NEWLINK message. @throws RtnetlinkError */
export function decodeLink(message: Uint8Array): Link {
  const { view, attributes } = openMessage(message, RtmType.NEWLINK, IFINFOMSG_BYTES);
  const link: Link = { index: view.getInt32(4, LITTLE_ENDIAN), up: (view.getUint32(8, LITTLE_ENDIAN) & 1) !== 0 };
  for (const { type, value } of attributes) {
    if (type === IflaType.NAME) link.name = cString(value);
    else if (type === IflaType.OPERSTATE && value.length > 0) link.operationalState = OPERATIONAL_STATES[value[0]];
    else if (type === IflaType.CARRIER && value.length > 0) link.carrier = value[0] === 1;
  }
  return link;
}

const ROUTE_TYPES: readonly string[] = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];
const OPERATIONAL_STATES: readonly string[] = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
];
const NEIGHBOUR_STATES: readonly string[] = [
  'INCOMPLETE',
  'REACHABLE',
  'STALE',
  'DELAY',
  'PROBE',
  'FAILED',
  'NOARP',
  'PERMANENT',
];

function neighbourState(bits: number): string {
  const names = NEIGHBOUR_STATES.filter((_, bit) => bits & (1 << bit));
  return names.length === 0 ? 'NONE' : names.join('|');
}

interface Attribute {
  type: number;
  value: Uint8Array;
}

/** The fixed part behind the netlink header, and the attributes behind that; every length is checked. */
function openMessage(
  message: Uint8Array,
  expected: number,
  fixedBytes: number,
): { view: DataView; attributes: Attribute[] } {
  const whole = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.length < NLMSG_HEADER_BYTES + fixedBytes) throw new RtnetlinkError('a route message is too short');
  const length = whole.getUint32(0, LITTLE_ENDIAN);
  const type = whole.getUint16(4, LITTLE_ENDIAN);
  if (type !== expected) throw new RtnetlinkError(`a route message has type ${type} instead of ${expected}`);
  if (length > message.length || length < NLMSG_HEADER_BYTES + fixedBytes) {
    throw new RtnetlinkError('a route message has a wrong length');
  }
  const view = new DataView(message.buffer, message.byteOffset + NLMSG_HEADER_BYTES, length - NLMSG_HEADER_BYTES);
  return { view, attributes: attributesOf(view, fixedBytes) };
}

function attributesOf(view: DataView, from: number): Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = from; at < view.byteLength; ) {
    const left = view.byteLength - at;
    const length = left < ATTRIBUTE_HEADER_BYTES ? 0 : view.getUint16(at, LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_BYTES || length > left) throw new RtnetlinkError('an attribute passes its end');
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & ATTRIBUTE_TYPE_MASK;
    const start = view.byteOffset + at + ATTRIBUTE_HEADER_BYTES;
    attributes.push({ type, value: new Uint8Array(view.buffer, start, length - ATTRIBUTE_HEADER_BYTES) });
    at += (length + 3) & ~3;
  }
  return attributes;
}

function familyOf(family: number): 4 | 6 {
  if (family === AF_INET) return 4;
  if (family === AF_INET6) return 6;
  throw new RtnetlinkError(`a route message has address family ${family}`);
}

function addressOf(value: Uint8Array, family: 4 | 6): string {
  if (value.length !== (family === 4 ? 4 : 16)) throw new RtnetlinkError('an address has a wrong length');
  return formatAddress(value, 0, family);
}

/** struct rtvia: u16 family, then the address: an IPv4 route through an IPv6 neighbour. */
function viaAddress(value: Uint8Array): string {
  if (value.length < 2) throw new RtnetlinkError('a gateway is too short');
  const family = new DataView(value.buffer, value.byteOffset, 2).getUint16(0, LITTLE_ENDIAN);
  return addressOf(value.subarray(2), familyOf(family));
}

function readUint32(value: Uint8Array): number {
  if (value.length !== 4) throw new RtnetlinkError('a number has a wrong length');
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, LITTLE_ENDIAN);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, LITTLE_ENDIAN);
  return bytes;
}

function cString(value: Uint8Array): string {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}
