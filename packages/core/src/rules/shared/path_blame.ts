import { plainAddress } from '../../address.ts';
import { formatDuration } from '../../duration.ts';
import type { Blame, Evidence, RuleContext, SocketRef } from '../../finding.ts';
import type { NamespaceSnapshot, PathEvidence, Row, SocketTable } from '../../snapshot.ts';
import { type OtherSockets, othersTo } from './alive.ts';
import { whereIs } from './peers.ts';
import { REACHABLE_MEMORY_MS } from './thresholds.ts';
import { stalledTogether } from './together.ts';
import { thousands } from './words.ts';

/** Who keeps segments from being answered, as far as the evidence goes. Equal ids read alike. */
export interface PathVerdict {
  id: string;
  blame: Extract<Blame, 'peer-host' | 'path' | 'peer-host or path'>;
  /** A sentence for the finding's cause. */
  because: string;
  wouldTell?: string;
  evidence: readonly Evidence[];
}

/** One socket that gets no answer. */
export interface Stalled {
  row: Row;
  /** Time since the last ACK came; undefined when it cannot be told. */
  silentMs?: number;
  /** At least this long has something sent been without an answer; undefined when it cannot be told. */
  unansweredMs?: number;
}

const LINK = 'rtnetlink RTM_GETLINK';
const ROUTE = 'rtnetlink RTM_GETROUTE';
const NEIGHBOUR = 'rtnetlink RTM_GETNEIGH';
/** Links without address resolution (tunnels) or with fixed entries never learn that a host is gone. */
const UNRESOLVED_LINK: ReadonlySet<string> = new Set(['NOARP', 'PERMANENT']);
const DEAD_NEIGHBOUR: ReadonlySet<string> = new Set(['FAILED', 'INCOMPLETE']);

/**
 * The verdict for each stalled socket's remote address. All sockets of one address are judged together. `opening`: the
 * sockets wait for an answer to their SYN, where silence of a living host may also mean a full listener.
 */
export function judgePaths(
  namespace: NamespaceSnapshot,
  stalled: readonly Stalled[],
  context: RuleContext,
  opening = false,
): (row: Row) => PathVerdict {
  const { table } = namespace;
  const byAddress = stalledByAddress(table, stalled);
  const others = othersTo(namespace, new Map([...byAddress].map(([address, { row }]) => [address, row])));
  const together = stalledTogether(namespace, byAddress);
  const verdicts = new Map<string, PathVerdict>();
  for (const [address, { row, unansweredMs }] of byAddress) {
    const path = namespace.paths.get(table.remoteAddress(row));
    const verdict =
      fromPeer({ namespace, row }, context) ??
      fromLink(path, address, unansweredMs) ??
      fromOthers(others.get(address), unansweredMs) ??
      together.get(address) ??
      undecided(path, address, others.get(address));
    verdicts.set(address, opening ? forOpening(verdict) : verdict);
  }
  return (row) => verdicts.get(plainAddress(table.remoteAddress(row))) as PathVerdict;
}

/**
 * One entry per remote address: the longest proof of silence, the latest sign of life. An IPv4 host is one host, whether
 * its connections are held by IPv4 or by IPv6 sockets.
 */
function stalledByAddress(table: SocketTable, stalled: readonly Stalled[]): ReadonlyMap<string, Stalled> {
  const byAddress = new Map<string, Stalled>();
  for (const one of stalled) {
    const address = plainAddress(table.remoteAddress(one.row));
    const known = byAddress.get(address);
    if (!known) {
      byAddress.set(address, { ...one });
      continue;
    }
    if ((one.unansweredMs ?? -1) > (known.unansweredMs ?? -1)) known.unansweredMs = one.unansweredMs;
    if (one.silentMs !== undefined) known.silentMs = Math.min(known.silentMs ?? one.silentMs, one.silentMs);
  }
  return byAddress;
}

const LIVING_HOST: ReadonlySet<string> = new Set(['neighbour-alive', 'host-alive', 'local-drop']);

/** A living host with a full accept queue drops a SYN without a word: then life is no proof against the peer. */
function forOpening(verdict: PathVerdict): PathVerdict {
  if (!LIVING_HOST.has(verdict.id)) return verdict;
  return {
    ...verdict,
    blame: 'peer-host or path',
    because:
      'The host lives but says nothing on this port: a packet filter drops the SYN, or the listener\u2019s queue is full.',
    wouldTell: '`ss -ltn` at the peer: a Recv-Q above Send-Q on that port means a full queue, otherwise a filter',
  };
}

/** Both ends are there, so what lies between them loses the segments. */
function fromPeer(ref: SocketRef, context: RuleContext): PathVerdict | undefined {
  const peer = context.peerOf(ref);
  if (!peer) return undefined;
  return {
    id: 'peer-visible',
    blame: 'path',
    because: 'The other end still exists on this host, so something between the two drops the segments.',
    evidence: [{ fact: 'other end', value: whereIs(peer, context), source: 'sock_diag, mirrored addresses' }],
  };
}

function fromLink(
  path: PathEvidence | undefined,
  address: string,
  unansweredMs: number | undefined,
): PathVerdict | undefined {
  if (!path) return undefined;
  const device = path.device ?? 'the device';
  if (path.carrier === false) {
    return {
      id: 'no-carrier',
      blame: 'path',
      because: `The link is down at this end: ${device} has no carrier.`,
      evidence: [{ fact: `carrier of ${device}`, value: 'none', source: LINK }],
    };
  }
  if (path.route === 'none' || path.route === 'blackhole') {
    return {
      id: 'no-route',
      blame: 'path',
      because: 'This host itself has no way to send: its routing table leads nowhere for that address.',
      evidence: [{ fact: `route to ${plainAddress(address)}`, value: path.route, source: ROUTE }],
    };
  }
  if (path.route === 'local') {
    return {
      id: 'local-drop',
      blame: 'path',
      because:
        'The address is one of this host\u2019s own, and a missing socket there would have been answered with a reset: a local packet filter drops the segments.',
      evidence: [{ fact: `route to ${plainAddress(address)}`, value: 'local', source: ROUTE }],
    };
  }
  return fromNeighbour(path, address, unansweredMs);
}

function fromNeighbour(path: PathEvidence, address: string, unansweredMs: number | undefined): PathVerdict | undefined {
  const { neighbour } = path;
  if (neighbour === undefined) return undefined;
  const hop = path.route === 'gateway' ? (path.gateway ?? 'the gateway') : plainAddress(address);
  const evidence: Evidence[] = [
    routeEvidence(path, address),
    { fact: `neighbour state of ${hop}`, value: neighbour, source: NEIGHBOUR },
  ];
  if (DEAD_NEIGHBOUR.has(neighbour)) {
    return path.route === 'gateway'
      ? { id: 'gateway-dead', blame: 'path', because: `The gateway ${hop} does not answer on the link.`, evidence }
      : {
          id: 'neighbour-dead',
          blame: 'peer-host',
          because:
            'The peer is on the same link and does not even answer address resolution: it is down, unplugged, or its address has moved.',
          evidence,
        };
  }
  if (path.route === 'on-link' && neighbour === 'REACHABLE' && (unansweredMs ?? 0) > REACHABLE_MEMORY_MS) {
    return {
      id: 'neighbour-alive',
      blame: 'path',
      because:
        'The peer\u2019s host answered on the link during the stall; without this connection it would have sent a reset, so a packet filter or NAT (there or between) drops the segments.',
      evidence,
    };
  }
  return undefined;
}

/** Another connection heard from the address while this one already waited for an answer: the host lives. */
function fromOthers(others: OtherSockets | undefined, unansweredMs: number | undefined): PathVerdict | undefined {
  if (others?.heardMs === undefined || unansweredMs === undefined || others.heardMs >= unansweredMs) return undefined;
  return {
    id: 'host-alive',
    blame: 'path',
    because:
      'The peer\u2019s host still talks on other connections; without this one it would have sent a reset, so a packet filter, NAT or connection tracking drops its segments.',
    evidence: [
      {
        fact: 'another connection heard from the same address',
        value: `${formatDuration(others.heardMs)} ago, this one unanswered for ${formatDuration(unansweredMs)}`,
        source: others.source ?? 'sock_diag',
      },
    ],
  };
}

export function routeEvidence(path: PathEvidence, address: string): Evidence {
  const through = path.gateway ? ` ${path.gateway}` : '';
  const device = path.device ? ` through ${path.device}` : '';
  return { fact: `route to ${plainAddress(address)}`, value: `${path.route}${through}${device}`, source: ROUTE };
}

function undecided(path: PathEvidence | undefined, address: string, others: OtherSockets | undefined): PathVerdict {
  const evidence: Evidence[] = [];
  if (path && path.route !== 'unknown') evidence.push(routeEvidence(path, address));
  if (path?.neighbour !== undefined) {
    evidence.push({ fact: 'neighbour state of the next hop', value: path.neighbour, source: NEIGHBOUR });
  }
  if (others && others.quietOpen > 0) {
    evidence.push({
      fact: 'other open connections to the address that are not retransmitting (they may be idle)',
      value: thousands(others.quietOpen),
      source: 'sock_diag',
    });
  }
  const onLink = path?.route === 'on-link' && !UNRESOLVED_LINK.has(path.neighbour ?? '');
  return {
    id: onLink ? 'undecided-on-link' : 'undecided',
    blame: 'peer-host or path',
    because: 'Whether the peer\u2019s host is gone or something between drops the segments cannot be told from here.',
    wouldTell: onLink
      ? `a ping of ${plainAddress(address)}, or this report again in a minute: by then the link layer knows whether the host still answers`
      : `a ping or traceroute to ${plainAddress(address)}, or a packet capture at the peer: segments that arrive there clear the path`,
    evidence,
  };
}
