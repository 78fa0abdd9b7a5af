import { type PathEvidence, plainAddress } from '@lastack/core';
import { KernelError } from './errors.ts';
import { pathEvidence, type RouteAnswer } from './netns/path.ts';
import type { NetlinkTransport } from './transport/transport.ts';
import { align4, errorOf, LITTLE_ENDIAN, NLMSG_HEADER_BYTES, NlmsgType } from './wire/netlink.ts';
import {
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  type Link,
  linkDumpRequest,
  type Neighbour,
  neighbourDumpRequest,
  type Route,
  type RouteQuery,
  routeRequest,
} from './wire/rtnetlink.ts';

const RECEIVE_BYTES = 1 << 16;

/** A remote address to look up, with what decides the route besides it. */
export interface PathQuery {
  address: string;
  destination: Uint8Array;
  interfaceIndex?: number;
  mark?: number;
}

/**
 * How packets to each address leave the namespace that the transport belongs to, and what the link layer knows of the
 * next hop. Addresses without a route are part of the answer. Rejects with KernelError.
 */
export async function readPaths(
  transport: NetlinkTransport,
  queries: readonly PathQuery[],
): Promise<Map<string, PathEvidence>> {
  const links = await readLinks(transport);
  const neighbours: Neighbour[] = [];
  await exchange(transport, neighbourDumpRequest(2), 'listing neighbours', (message) => {
    const neighbour = decodeNeighbour(message);
    if (neighbour) neighbours.push(neighbour);
    return false;
  });
  const paths = new Map<string, PathEvidence>();
  let sequence = 3;
  for (const { address, ...query } of queries) {
    const answer = await findRoute(transport, { ...query, sequence: sequence++ });
    paths.set(address, pathEvidence({ answer, destination: plainAddress(address), neighbours, links }));
  }
  return paths;
}

/** The interfaces of the namespace that the transport belongs to. Rejects with KernelError. */
export async function readLinks(transport: NetlinkTransport): Promise<Link[]> {
  const links: Link[] = [];
  await exchange(transport, linkDumpRequest(1), 'listing interfaces', (message) => {
    links.push(decodeLink(message));
    return false;
  });
  return links;
}

/** A refusal (ENETUNREACH and its like) is an answer here, not a failure. */
async function findRoute(transport: NetlinkTransport, query: RouteQuery): Promise<RouteAnswer | undefined> {
  try {
    let route: Route | undefined;
    await exchange(transport, routeRequest(query), 'looking up a route', (message) => {
      route = decodeRoute(message);
      return true;
    });
    return route && { route };
  } catch (error) {
    if (error instanceof KernelError && error.errno > 0) return { errno: error.errno };
    throw error;
  }
}

/** Sends a request and hands over each reply until DONE, an error, or until `take` returns true. */
async function exchange(
  transport: NetlinkTransport,
  request: Uint8Array,
  operation: string,
  /** Returns true when nothing more is wanted. */
  take: (message: Uint8Array) => boolean,
): Promise<void> {
  const sequence = new DataView(request.buffer).getUint32(8, LITTLE_ENDIAN);
  const buffer = new Uint8Array(RECEIVE_BYTES);
  const buffers = [buffer];
  const view = new DataView(buffer.buffer);
  transport.send(request);
  for (;;) {
    const [received] = await transport.receive(buffers);
    const end = Math.min(received, RECEIVE_BYTES);
    for (let at = 0; at + NLMSG_HEADER_BYTES <= end; ) {
      const length = view.getUint32(at, LITTLE_ENDIAN);
      if (length < NLMSG_HEADER_BYTES || at + length > end) {
        throw new KernelError(operation, 0, { detail: 'a message does not fit its datagram' });
      }
      if (view.getUint32(at + 8, LITTLE_ENDIAN) === sequence) {
        const type = view.getUint16(at + 4, LITTLE_ENDIAN);
        if (type === NlmsgType.DONE) return;
        if (type === NlmsgType.ERROR) {
          const errno = errorOf(view, at + NLMSG_HEADER_BYTES, at + length);
          if (errno > 0) throw new KernelError(operation, errno);
          return;
        }
        if (take(buffer.slice(at, at + length))) return;
      }
      at += align4(length);
    }
  }
}
