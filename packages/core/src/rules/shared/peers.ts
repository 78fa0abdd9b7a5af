import type { Evidence, RuleContext } from '../../finding.ts';
import { masked } from '../../printable.ts';
import { LazyRefs, type RowRefs, type SocketRef, type SocketRefs } from '../../socket_refs.ts';
import { stateName, TcpState } from '../../tcp/states.ts';
import { listed, thousands } from './words.ts';

/** The other ends in the order of `refs`; undefined when none is visible. */
export function peersOf(
  { namespace, rows }: RowRefs,
  context: RuleContext,
): SocketRefs<SocketRef | undefined> | undefined {
  const peers = new LazyRefs(rows.length, (index) => context.peerOf({ namespace, row: rows[index] }));
  return peers.some((peer) => peer !== undefined) ? peers : undefined;
}

/** The visible other end has yet to close: its own rule reports the pair, since that end must act. */
export function peerMustClose(ref: SocketRef, context: RuleContext): boolean {
  const peer = context.peerOf(ref);
  const state = peer?.namespace.table.state(peer.row);
  return state === TcpState.CLOSE_WAIT || state === TcpState.LAST_ACK;
}

/** Of two ends that both qualify for one finding, the earlier one reports the pair. */
export function comesFirst(one: SocketRef, other: SocketRef, context: RuleContext): boolean {
  if (one.namespace === other.namespace) return one.row < other.row;
  const { namespaces } = context.snapshot;
  return namespaces.indexOf(one.namespace) < namespaces.indexOf(other.namespace);
}

/** `node (pid 7) in netns blue`, or the namespace alone where the owner is not known. */
export function whereIs({ namespace, row }: SocketRef, context: RuleContext): string {
  const owner = context.snapshot.owners.get(namespace.table.inode(row))?.[0];
  const place = `network namespace ${masked(namespace.label)}`;
  return owner ? `${masked(owner.command)} (pid ${owner.pid}) in ${place}` : place;
}

function holderPid({ snapshot: { owners } }: RuleContext, inode: number): number | undefined {
  return owners.solePid?.(inode) || owners.get(inode)?.[0].pid;
}

/** What the visible other ends are doing: state, how many, who holds them. */
export function peerEvidence(peers: SocketRefs<SocketRef | undefined> | undefined, context: RuleContext): Evidence[] {
  if (!peers) return [];
  const byState = new Map<number, { count: number; unreadBytes: number; places: Map<number, string> }>();
  for (let index = 0; index < peers.length; index++) {
    const peer = peers.at(index);
    if (!peer) continue;
    const { table } = peer.namespace;
    const state = table.state(peer.row);
    const seen = byState.get(state) ?? { count: 0, unreadBytes: 0, places: new Map<number, string>() };
    seen.count++;
    seen.unreadBytes += table.receiveQueue(peer.row);
    // Worded once per holder: there may be fifty thousand sockets of it.
    const place = holderPid(context, table.inode(peer.row)) ?? -peer.namespace.inode;
    if (seen.places.size < 4 && !seen.places.has(place)) seen.places.set(place, whereIs(peer, context));
    byState.set(state, seen);
  }
  return [...byState].map(([state, { count, unreadBytes, places }]) => ({
    fact: `other end seen in ${stateName(state)}`,
    value: `${thousands(count)} of ${thousands(peers.length)}: ${listed([...new Set(places.values())])}, Recv-Q ${thousands(unreadBytes)}`,
    source: 'sock_diag, mirrored addresses',
  }));
}
