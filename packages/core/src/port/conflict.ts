import { plainAddress } from '../address.ts';
import { TcpState } from '../tcp/states.ts';
import type { BindAddress, ReuseOptions } from './bind_request.ts';

/** Of a socket that has the port, what decides whether another may have it as well. Undefined: not known. */
export interface Occupant {
  /** TcpState number. */
  state: number;
  /** Of an unaccepted, orphaned or held socket; `request` sockets have no port of their own. */
  kind: string;
  family: 4 | 6;
  /** Textual address as SocketTable gives it (`::ffff:10.0.0.1` for IPv4 held by an IPv6 socket). */
  localAddress: string;
  /** Effective user of the program that made the socket. */
  uid: number;
  /** IPV6_V6ONLY, of IPv6 sockets. */
  v6only?: boolean;
  reuseaddr?: boolean;
  reuseport?: boolean;
}

/** Yes, no, or not known. */
export type Tri = boolean | undefined;

/**
 * Whether both would have the port at one address at least: inet_rcv_saddr_equal and inet_bhash2_addr_any_conflict of
 * the kernel (net/ipv4/inet_connection_sock.c), which match wildcards both ways. An IPv6 connection that is not
 * IPV6_V6ONLY stands in the way of 0.0.0.0 as well, although no IPv4 packet can reach it.
 */
export function isOverlapping(wanted: BindAddress, occupant: Occupant): Tri {
  const held = plainAddress(occupant.localAddress);
  const isMapped = occupant.family === 6 && occupant.localAddress.startsWith('::ffff:') && held.includes('.');
  if (occupant.family === 4 || isMapped) return overlapsIpv4(wanted, held);
  if (wanted.family === 6) return wanted.address === '::' || held === '::' || held === wanted.address;
  if (held !== '::' && wanted.address !== '0.0.0.0') return false;
  return occupant.v6only === undefined ? undefined : !occupant.v6only;
}

function overlapsIpv4(wanted: BindAddress, held: string): boolean {
  if (wanted.family === 6) return wanted.address === '::' && !wanted.v6only;
  return wanted.address === '0.0.0.0' || held === '0.0.0.0' || held === wanted.address;
}

/**
 * Whether the two may share (inet_bind_conflict): both with SO_REUSEADDR unless the other listens, or both with
 * SO_REUSEPORT and of one user, the latter not asked of a TIME_WAIT.
 */
export function mayShare(options: ReuseOptions, uid: number, occupant: Occupant): Tri {
  const byAddress = options.reuseaddr && occupant.state !== TcpState.LISTEN ? occupant.reuseaddr : false;
  const isOneUser = occupant.state === TcpState.TIME_WAIT || occupant.uid === uid;
  const byPort = options.reuseport && isOneUser ? occupant.reuseport : false;
  if (byAddress || byPort) return true;
  return byAddress === undefined || byPort === undefined ? undefined : false;
}

/** Half-open connections have no place in the table of ports: their listener has. */
export function holdsPort({ kind }: Pick<Occupant, 'kind'>): boolean {
  return kind !== 'request';
}
