import { type PathEvidence, printable } from '@lastack/core';
import type { Link, Neighbour, Route } from '../wire/rtnetlink.ts';

/** The kernel's answer to a route request: a route, or the positive errno it refused with. */
export type RouteAnswer = { route: Route } | { errno: number };

export interface PathFacts {
  /** Undefined when nobody asked or there was no answer. */
  answer: RouteAnswer | undefined;
  /** The address that the route was asked for, in text. */
  destination: string;
  neighbours: readonly Neighbour[];
  links: readonly Link[];
}

const EACCES = 13;
const EINVAL = 22;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;

// Names of route types that reject: `ip route add unreachable|blackhole|prohibit`.
const REJECTING: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/**
 * How packets leave for one address. All rejecting routes (`blackhole`, `unreachable`, `prohibit`) are `blackhole`: a
 * route of this host discards the packets; `none` is the absence of any route.
 */
export function pathEvidence(facts: PathFacts): PathEvidence {
  const { answer } = facts;
  if (answer === undefined) return { route: 'unknown' };
  if ('errno' in answer) return { route: routeOfErrno(answer.errno) };
  const { route } = answer;
  if (REJECTING.has(route.type)) return { route: 'blackhole' };
  if (route.type === 'local') return { route: 'local', ...linkFacts(facts, route) };
  if (route.type !== 'unicast') return { route: 'unknown', ...linkFacts(facts, route) };
  const nextHop = route.gateway ?? facts.destination;
  const state = facts.neighbours.find(
    ({ interfaceIndex, address }) => interfaceIndex === route.outputInterface && address === nextHop,
  )?.state;
  return {
    route: route.gateway === undefined ? 'on-link' : 'gateway',
    ...(route.gateway !== undefined && { gateway: route.gateway }),
    ...linkFacts(facts, route),
    ...(state !== undefined && { neighbour: state }),
  };
}

function linkFacts({ links }: PathFacts, { outputInterface }: Route): Pick<PathEvidence, 'device' | 'carrier'> {
  const link = links.find(({ index }) => index === outputInterface);
  if (link === undefined) return {};
  return {
    ...(link.name !== undefined && { device: printable(link.name) }),
    ...(link.carrier !== undefined && { carrier: link.carrier }),
  };
}

/** The kernel answers a rejecting route with an errno instead of a route (fib_props in net/ipv4/fib_semantics.c). */
function routeOfErrno(errno: number): PathEvidence['route'] {
  if (errno === ENETUNREACH) return 'none';
  return errno === EHOSTUNREACH || errno === EACCES || errno === EINVAL ? 'blackhole' : 'unknown';
}
