import { type EndpointAddress, type Note, TcpState } from '@lastack/core';
import {
  KernelError,
  lookupSockets,
  NetlinkProtocol,
  type NetlinkTransport,
  openNetlink,
  openPacketSender,
  openPacketTap,
  type PacketSender,
  type PacketTap,
  portPairFilter,
  type SocketIdentity,
} from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { inside, namespacesIn } from '../../engine/namespaces.ts';
import type { Journal } from '../../journal/journal.ts';
import { failedAttempt } from '../shared/failures.ts';
import { converse } from './conversation.ts';
import { EndView } from './end_view.ts';
import { type PathReset, pathResult, text } from './result.ts';

/** A connection that passes through a namespace of this host, as a router or firewall sees it. */
export interface PathTarget {
  a: EndpointAddress;
  b: EndpointAddress;
  namespaceInode: number;
}

export interface PathOptions {
  journal: Journal;
  /** Ends it between two questions. */
  signal: AbortSignal;
  /**
   * How long to wait for live packets of an end that answers no probe, default 5,000. The retransmissions of a stuck
   * FIN can be two minutes apart.
   */
  waitMs?: number;
}

const WAIT_MS = 5_000;

/**
 * Resets both ends of a connection that passes through. What each end expects next is learnt from its packets, live ones
 * or the answer to a probe; each is then sent exactly that, and asked again. Addresses are all there is to go by: should
 * another connection have taken them over, it is that one which is reset.
 * Resolves to what was seen; rejects only for a journal that cannot be written.
 */
export async function resetPath(effects: Effects, target: PathTarget, options: PathOptions): Promise<PathReset> {
  let views: [EndView, EndView];
  try {
    views = [new EndView(target.a), new EndView(target.b)];
  } catch (error) {
    return refused({ outcome: 'unsupported', because: (error as Error).message });
  }
  const [a, b] = views.map(({ wire }) => wire.address.length);
  if (a !== b) return refused({ outcome: 'unsupported', because: 'one end is an IPv4 address and the other IPv6' });
  let tools: Tools | undefined;
  try {
    tools = openTools(effects, target);
    if (!tools)
      return refused({ outcome: 'unsupported', because: 'its network namespace is gone or cannot be entered' });
    if (await isHere(tools.diag, target, a === 4)) return refused(SOCKET_IS_HERE);
    return await recordedConversation(effects, tools, views, target, options);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const { outcome, because, todo } = failedAttempt(error);
    return refused({ outcome: outcome === 'not-permitted' ? outcome : 'unsupported', because, todo });
  } finally {
    tools?.close();
  }
}

export const SOCKET_IS_HERE = {
  outcome: 'unsupported',
  because: 'the socket is here, not behind this host',
  todo: 'use destroy, abort or reset',
} as const;

function refused(what: Omit<PathReset, 'ends'>): PathReset {
  return { ...what, ends: [] };
}

interface Tools {
  tap: PacketTap;
  sender: PacketSender;
  diag: NetlinkTransport;
  close(): void;
}

/** undefined when the namespace cannot be entered. @throws KernelError EPERM without CAP_NET_RAW over it */
function openTools(effects: Effects, { a, b, namespaceInode }: PathTarget): Tools | undefined {
  const notes: Note[] = [];
  const [namespace] = namespacesIn(effects, [namespaceInode], notes);
  if (!namespace) return undefined;
  const libc = effects.libc();
  return inside(effects, namespace, notes, (): Tools => {
    const opened: { close(): void }[] = [];
    const keep = <T extends { close(): void }>(one: T): T => {
      opened.push(one);
      return one;
    };
    const close = () => {
      for (const one of opened) one.close();
    };
    try {
      const tap = keep(openPacketTap(libc, portPairFilter(a.port, b.port)));
      const sender = keep(openPacketSender(libc));
      return { tap, sender, diag: keep(openNetlink(libc, NetlinkProtocol.SOCK_DIAG)), close };
    } catch (error) {
      close();
      throw error;
    }
  });
}

/** Whether one of the two ends is a socket of the namespace itself. */
async function isHere(diag: NetlinkTransport, { a, b }: PathTarget, isIpv4: boolean): Promise<boolean> {
  const identity = (local: EndpointAddress, remote: EndpointAddress, family: 4 | 6): SocketIdentity => {
    const spelled = ({ address, port }: EndpointAddress) => ({ address: spelling(address, isIpv4, family), port });
    return {
      family,
      state: TcpState.ESTABLISHED,
      local: spelled(local),
      remote: spelled(remote),
      cookie: 0n,
      interfaceIndex: 0,
    };
  };
  // A socket of a dual-stack program has its IPv4 addresses mapped into IPv6.
  const families = isIpv4 ? ([4, 6] as const) : ([6] as const);
  const found = await lookupSockets(
    diag,
    families.flatMap((family) => [identity(a, b, family), identity(b, a, family)]),
  );
  return found.some(({ kind }) => kind !== 'gone');
}

function spelling(address: string, isIpv4: boolean, family: 4 | 6): string {
  const plain = address.replace(/%.*$/, '');
  if (!isIpv4) return plain;
  const bare = plain.replace(/^::ffff:/i, '');
  return family === 4 ? bare : `::ffff:${bare}`;
}

async function recordedConversation(
  effects: Effects,
  { tap, sender }: Tools,
  views: readonly [EndView, EndView],
  { a, b, namespaceInode }: PathTarget,
  { journal, signal, waitMs = WAIT_MS }: PathOptions,
): Promise<PathReset> {
  const what = `reset-path: ${text(a)}-${text(b)}`;
  const id = journal.begin({ action: 'reset-path', summary: what, data: { a, b, namespaceInode } });
  const ends = await converse({ tap, sender, clock: effects, signal, waitMs }, views);
  const result = pathResult(ends, waitMs);
  const states = ends.map(({ state }) => state);
  journal.end(id, { action: 'reset-path', summary: `${what}: ${states.join(', ')}`, data: { states } });
  return result;
}
