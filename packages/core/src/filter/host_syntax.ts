import ipaddr from 'ipaddr.js';
import { parseInteger } from './values.ts';

export interface HostCondition {
  family?: 4 | 6;
  address?: readonly number[];
  prefixBits?: number;
  port?: number;
}

/** Why a host condition cannot be read; `offset` and `length` count within its text. */
export class HostProblem {
  readonly message: string;
  readonly offset: number;
  readonly length: number;
  readonly expected: readonly string[];
  /** The service name that was not found. */
  readonly service?: string;

  constructor(message: string, offset: number, length: number, expected: readonly string[], service?: string) {
    this.message = message;
    this.offset = offset;
    this.length = length;
    this.expected = expected;
    this.service = service;
  }
}

export type Services = ReadonlyMap<string, number>;

const ADDRESS_FORMS = ['ADDRESS', 'ADDRESS/BITS', 'ADDRESS:PORT', '[IPV6]:PORT', ':PORT', '*'];
const PORT_FORMS = ['a port (:443)', 'a service name (:https)'];
/** All of them mean any address to ss, `default` as well, although ip(8) reads that as 0.0.0.0/0. */
const ANY_ADDRESS: ReadonlySet<string> = new Set(['', '*', 'any', 'all', 'default']);
const MAX_PORT = 65_535;

/**
 * Reads `[FAMILY:]ADDRESS[/BITS][:PORT]` (or with `portOnly` the `[FAMILY:][:]PORT` of sport and dport) the way
 * parse_hostcond of iproute2 misc/ss.c does, less what needs I/O: names of hosts. IPv6 addresses may also come without
 * brackets where they are not readable as address and port.
 */
export function parseHost(text: string, portOnly: boolean, services?: Services): HostCondition | HostProblem {
  const prefix = /^(inet6?|unix|link|netlink|vsock):/.exec(text);
  const offset = prefix ? prefix[0].length : 0;
  const rest = text.slice(offset);
  let family: 4 | 6 | undefined;
  if (prefix?.[1] === 'inet') family = 4;
  else if (prefix?.[1] === 'inet6') family = 6;
  else if (prefix) {
    return new HostProblem('only TCP sockets are listed here', 0, offset, ['inet:', 'inet6:']);
  }
  if (portOnly) {
    const colon = rest.startsWith(':') ? 1 : 0;
    const port = parsePort(rest.slice(colon), offset + colon, services);
    if (port instanceof HostProblem) return port;
    return rest === '' ? missingPort(offset) : { family, port };
  }
  return parseAddressAndPort(rest, offset, family, services);
}

function missingPort(offset: number): HostProblem {
  return new HostProblem('a port is missing', offset, 0, PORT_FORMS);
}

function parseAddressAndPort(
  text: string,
  offset: number,
  family: 4 | 6 | undefined,
  services?: Services,
): HostCondition | HostProblem {
  const cut = cutPort(text);
  if (cut === undefined) return new HostProblem('this bracket is not closed', offset, text.length, [']']);
  const port = cut.port === undefined ? undefined : parsePort(cut.port, offset + cut.portAt, services);
  const network = parseNetwork(cut.address, family);
  if (network !== undefined && !(port instanceof HostProblem)) return { family, ...network, port };
  // ss refuses `dst fe80::1`: it takes the last colon for a port. Nothing else can be meant, so it is read here.
  const whole = text.includes(':') && !text.startsWith('[') ? parseNetwork(text, family) : undefined;
  if (whole !== undefined) return { family, ...whole };
  if (network === undefined) return addressProblem(cut.address, offset + cut.addressAt, family);
  return port instanceof HostProblem ? port : missingPort(offset);
}

interface Cut {
  address: string;
  addressAt: number;
  port?: string;
  portAt: number;
}

/** Splits as ss does: brackets, `*`, else at the last colon (looked for after the slash where there is one). */
function cutPort(text: string): Cut | undefined {
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    if (close < 0) return undefined;
    // `[::1]/64` is not in ss, which wants the prefix inside the brackets; it can only mean the same.
    const after = /^(\/[^:]*)?(?::(.*))?$/s.exec(text.slice(close + 1));
    if (after === null) return undefined;
    return { address: text.slice(1, close) + (after[1] ?? ''), addressAt: 1, ...portOf(text, after[2]) };
  }
  const slash = text.indexOf('/');
  const colon = text.lastIndexOf(':');
  if (colon < 0 || colon < slash) return { address: text, addressAt: 0, portAt: 0 };
  return { address: text.slice(0, colon), addressAt: 0, ...portOf(text, text.slice(colon + 1)) };
}

function portOf(text: string, port: string | undefined): { port?: string; portAt: number } {
  return { port, portAt: text.length - (port?.length ?? 0) };
}

/** An empty object for any address; undefined when the text is no address (of that family). */
function parseNetwork(text: string, family?: 4 | 6): Pick<HostCondition, 'address' | 'prefixBits'> | undefined {
  if (ANY_ADDRESS.has(text)) return {};
  const [addressText, bitsText, ...more] = text.split('/');
  if (more.length > 0) return undefined;
  const address = addressText.includes(':') ? parseIPv6(addressText) : parseIPv4(addressText);
  if (address === undefined || (family !== undefined && (family === 4) !== (address.length === 4))) return undefined;
  const prefixBits = bitsText === undefined ? address.length * 8 : parsePrefixBits(bitsText, address.length * 8);
  return prefixBits === undefined ? undefined : { address, prefixBits };
}

/** One to four numbers; missing ones are zeros at the end: `10.8` is 10.8.0.0 to iproute2 (get_addr_ipv4). */
function parseIPv4(text: string): number[] | undefined {
  const parts = text.split('.').map((part) => parseInteger(part, 255));
  if (parts.length > 4 || parts.some((part) => part === undefined)) return undefined;
  return [...(parts as number[]), 0, 0, 0].slice(0, 4);
}

function parseIPv6(text: string): number[] | undefined {
  // A zone (`%eth0`) is no part of the address that a socket reports; `dev eth0` asks for it.
  return !text.includes('%') && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text).toByteArray() : undefined;
}

/** `24` or `255.255.255.0`. */
function parsePrefixBits(text: string, maximum: number): number | undefined {
  const bits = parseInteger(text, 0xffffffff);
  if (bits !== undefined) return bits <= maximum ? bits : undefined;
  const mask = text.includes('.') ? parseIPv4(text) : undefined;
  if (mask === undefined || maximum !== 32) return undefined;
  const binary = mask.map((part) => part.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(binary) ? binary.lastIndexOf('1') + 1 : undefined;
}

/** Undefined for "any port" (`*` or nothing). */
function parsePort(text: string, offset: number, services?: Services): number | undefined | HostProblem {
  if (text === '' || text === '*') return undefined;
  const port = parseInteger(text, MAX_PORT) ?? services?.get(text);
  if (port !== undefined) return port;
  if (/^[0-9]/.test(text) && Number.isFinite(Number(text))) {
    return new HostProblem(`${text} is no port: ports go from 0 to ${MAX_PORT}`, offset, text.length, PORT_FORMS);
  }
  return new HostProblem(`\`${text}\` is neither a port nor a known service`, offset, text.length, PORT_FORMS, text);
}

function addressProblem(text: string, offset: number, family?: 4 | 6): HostProblem {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const known = parseNetwork(address);
  if (known?.address && family !== undefined && (family === 4) !== (known.address.length === 4)) {
    return new HostProblem(`this is no IPv${family} address`, offset, text.length, ADDRESS_FORMS);
  }
  if (known?.address && slash >= 0) {
    const bits = known.address.length * 8;
    return new HostProblem(`a prefix has 0 to ${bits} bits here`, offset + slash + 1, text.length - slash - 1, []);
  }
  if (address.includes('%')) {
    return new HostProblem('a zone cannot be part of the address here', offset, text.length, ['ADDRESS and dev NAME']);
  }
  const why = /[a-z]/i.test(address) && !address.includes(':') ? ' (host names are not resolved)' : '';
  return new HostProblem(`\`${text}\` is no address${why}`, offset, text.length, ADDRESS_FORMS);
}
