import { isIPv4, isIPv6 } from 'node:net';
import { printable } from '@lastack/core';
import { UserError } from '../effects.ts';

/** One end as the user wrote it: a canonical address (see `canonicalAddress`) and a port. */
export interface TargetEndpoint {
  address: string;
  port: number;
}

/** What `lastack why` is asked about. */
export type Target =
  | { kind: 'connection'; one: TargetEndpoint; other: TargetEndpoint }
  | { kind: 'endpoint'; address: string; port: number }
  | { kind: 'port'; port: number }
  | { kind: 'cookie'; cookie: bigint }
  | { kind: 'process'; pid: number; fd?: number };

const ACCEPTED =
  '10.0.0.153:4000-10.0.2.46:2572, 10.0.2.46:2572, :4000, cookie:1a2b, pid:1581 fd:7, or a line of ss or netstat';

/** An endpoint of a pasted line; `port` undefined for `*`, `address` undefined for a wildcard without family. */
interface Word {
  address?: string;
  port?: number;
}

/**
 * Reads one connection, one end, a port, a cookie or a descriptor. Lines pasted from ss or netstat are read by what they
 * hold: a cookie (`sk:`) names the socket, else the two address pairs do.
 * @throws UserError saying what was given and what is accepted
 */
export function parseTarget(given: string | readonly string[]): Target {
  const text = (typeof given === 'string' ? given : given.join(' ')).trim();
  const target = byCookie(text) ?? byEndpoints(text) ?? byProcess(text);
  if (!target) throw new UserError(`no connection is named by '${printable(text)}'; accepted: ${ACCEPTED}`);
  return target;
}

/** The target in words, for messages. */
export function targetText(target: Target): string {
  switch (target.kind) {
    case 'connection':
      return `a connection between ${endpointOf(target.one)} and ${endpointOf(target.other)}`;
    case 'endpoint':
      return `a connection with an end at ${endpointOf(target)}`;
    case 'port':
      return `a connection with port ${target.port}`;
    case 'cookie':
      return `a socket with cookie ${target.cookie.toString(16)}`;
    case 'process':
      return target.fd === undefined
        ? `a TCP socket of process ${target.pid}`
        : `a TCP socket at descriptor ${target.fd} of process ${target.pid}`;
  }
}

function endpointOf({ address, port }: TargetEndpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * One spelling for each address: IPv6 shortened as RFC 5952 has it, and an IPv4 address mapped into IPv6 as the IPv4
 * address it is. Undefined when it is no address. A scope (`%eth0`) is dropped.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.replace(/%.*$/, '');
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return undefined;
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!mapped) return short;
  const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function byCookie(text: string): Target | undefined {
  const match = /(?:^|\s)(?:cookie|sk):\s*(?:0x)?([0-9a-f]{1,16})(?=\s|$)/i.exec(text);
  return match ? { kind: 'cookie', cookie: BigInt(`0x${match[1]}`) } : undefined;
}

function byProcess(text: string): Target | undefined {
  const match = /^pid[:=]\s*(\d{1,9})(?:[\s,]+fd[:=]\s*(\d{1,9}))?$/i.exec(text);
  if (!match) return undefined;
  const pid = Number(match[1]);
  return match[2] === undefined ? { kind: 'process', pid } : { kind: 'process', pid, fd: Number(match[2]) };
}

function byEndpoints(text: string): Target | undefined {
  // An arrow may stand with or without blanks; a minus only between two ends, since names hold it as well.
  const words = text.replace(/<?-+>|[\u2192\u2194\u27f6]/g, ' ').split(/[\s,]+/);
  const found: Word[] = [];
  let others = 0;
  for (const word of words) {
    const ends = endpointsIn(word);
    if (ends.length === 0 && !/^-*$/.test(word)) others++;
    found.push(...ends);
  }
  const [one, other] = found;
  if (found.length === 2) return other.port === undefined ? single(one) : pair(one, other);
  return found.length === 1 && others === 0 ? single(one) : undefined;
}

function pair(one: Word, other: Word): Target | undefined {
  if (one.port === undefined) return undefined;
  if (one.address === undefined || other.address === undefined) return undefined;
  return {
    kind: 'connection',
    one: { address: one.address, port: one.port },
    other: { address: other.address, port: other.port as number },
  };
}

function single({ address, port }: Word): Target | undefined {
  if (port === undefined) return undefined;
  return address === undefined ? { kind: 'port', port } : { kind: 'endpoint', address, port };
}

/** The endpoints of one word: one, or two joined by a minus. */
function endpointsIn(word: string): Word[] {
  const whole = parseEndpoint(word);
  if (whole) return [whole];
  for (let at = word.indexOf('-'); at > 0; at = word.indexOf('-', at + 1)) {
    const left = parseEndpoint(word.slice(0, at));
    const right = parseEndpoint(word.slice(at + 1));
    if (left && right) return [left, right];
  }
  return [];
}

const BRACKETS = /^\[([^\]]+)\]:(\d{1,5}|\*)$/;
const COLON = /^(.*):(\d{1,5}|\*)$/;
/** As BSD and macOS print it. */
const DOT = /^(\d+\.\d+\.\d+\.\d+)\.(\d{1,5}|\*)$/;

function parseEndpoint(word: string): Word | undefined {
  const match = BRACKETS.exec(word) ?? DOT.exec(word) ?? COLON.exec(word);
  if (!match) return undefined;
  const port = match[2] === '*' ? undefined : Number(match[2]);
  // Port 0 is what tools print for "none".
  if (port !== undefined && port > 65_535) return undefined;
  if (match[1] === '' || match[1] === '*') return { port };
  const address = canonicalAddress(match[1]);
  return address === undefined ? undefined : { address, port };
}
