import type { RuleContext, SocketRef } from '@lastack/core';
import { TcpState } from '@lastack/core';
import { scanWithFs } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';
import type { Observation, ObservedNamespace } from './observation.ts';
import { findPeers } from './pairs.ts';
import { canonicalAddress, type Target, targetText } from './target.ts';

/** A socket of an observation. */
export interface ObservedRef extends SocketRef {
  namespace: ObservedNamespace;
}

/** Sockets that a target names, this end first where both are visible. */
export interface Match {
  here: ObservedRef;
  peer: ObservedRef | undefined;
}

/** States without another end: not connections. */
const SINGLE: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

/**
 * What the target names, each connection once. Listeners and bound sockets count only where no connection matches.
 * @throws UserError when a process or descriptor that was named cannot be looked at
 */
export function findMatches(effects: Effects, { namespaces }: Observation, target: Target): Match[] {
  const { preferred, others } = matchingRefs(effects, namespaces, target);
  const refs = [...preferred, ...others];
  const connections = refs.filter(({ namespace, row }) => !SINGLE.has(namespace.table.state(row)));
  const chosen = connections.length > 0 ? connections : refs;
  return joinEnds(chosen, peersOf(namespaces, chosen)).sort((one, other) => interest(one) - interest(other));
}

/**
 * Every socket that the target names, where findMatches takes each connection once: the ends that it names first, or
 * the others where none of those is visible. Listeners and bound sockets are among them.
 * @throws UserError when a process or descriptor that was named cannot be looked at
 */
export function findSockets(effects: Effects, { namespaces }: Observation, target: Target): ObservedRef[] {
  const { preferred, others } = matchingRefs(effects, namespaces, target);
  return preferred.length > 0 ? preferred : others;
}

/** What may be stuck comes first, what is on its way out last. */
function interest({ here: { namespace, row } }: Match): number {
  if (namespace.table.kind(row) === 'minisocket') return 2;
  return namespace.table.state(row) === TcpState.ESTABLISHED ? 1 : 0;
}

function peersOf(namespaces: readonly ObservedNamespace[], refs: readonly ObservedRef[]): RuleContext['peerOf'] {
  const rowsOf = new Map<ObservedNamespace, number[]>();
  for (const { namespace, row } of refs) {
    const rows = rowsOf.get(namespace);
    if (rows) rows.push(row);
    else rowsOf.set(namespace, [row]);
  }
  return findPeers(namespaces, rowsOf);
}

/** The end that was found first stands for the connection; refs come in the order of preference. */
function joinEnds(refs: readonly ObservedRef[], peerOf: RuleContext['peerOf']): Match[] {
  const taken = new Map<ObservedNamespace, Set<number>>();
  const take = ({ namespace, row }: ObservedRef) => {
    const rows = taken.get(namespace) ?? new Set<number>();
    taken.set(namespace, rows.add(row));
  };
  const matches: Match[] = [];
  for (const here of refs) {
    if (taken.get(here.namespace)?.has(here.row)) continue;
    // Peers come from the same namespaces, so they are observed ones.
    const peer = peerOf(here) as ObservedRef | undefined;
    take(here);
    if (peer) take(peer);
    matches.push({ here, peer });
  }
  return matches;
}

function matchingRefs(effects: Effects, namespaces: readonly ObservedNamespace[], target: Target) {
  const [first, second] = testsFor(effects, target);
  const preferred: ObservedRef[] = [];
  const others: ObservedRef[] = [];
  for (const namespace of namespaces) {
    for (let row = 0; row < namespace.table.count; row++) {
      if (first(namespace, row)) preferred.push({ namespace, row });
      else if (second?.(namespace, row)) others.push({ namespace, row });
    }
  }
  return { preferred, others };
}

type Test = (namespace: ObservedNamespace, row: number) => boolean;

/** A test for sockets seen as the user wrote it (the first end is local), and one for the other way round. */
function testsFor(effects: Effects, target: Target): [Test, Test?] {
  switch (target.kind) {
    case 'connection': {
      const { one, other } = target;
      const from = localIs(one.address, one.port);
      const to = remoteIs(other.address, other.port);
      const back = localIs(other.address, other.port);
      const forth = remoteIs(one.address, one.port);
      return [(...at) => from(...at) && to(...at), (...at) => back(...at) && forth(...at)];
    }
    case 'endpoint':
      return [localIs(target.address, target.port), remoteIs(target.address, target.port)];
    case 'port':
      return [
        ({ table }, row) => table.localPort(row) === target.port,
        ({ table }, row) => table.remotePort(row) === target.port,
      ];
    case 'cookie':
      return [({ table }, row) => table.cookie(row) === target.cookie];
    case 'process': {
      const inodes = socketsOfProcess(effects, target);
      return [({ table }, row) => inodes.has(table.inode(row))];
    }
  }
}

// The port is compared first: an address costs a string.
function localIs(address: string, port: number): Test {
  return ({ table }, row) => table.localPort(row) === port && canonicalAddress(table.localAddress(row)) === address;
}

function remoteIs(address: string, port: number): Test {
  return ({ table }, row) => table.remotePort(row) === port && canonicalAddress(table.remoteAddress(row)) === address;
}

/** Inodes of the sockets that a process holds, of any kind. @throws UserError */
function socketsOfProcess(effects: Effects, target: Extract<Target, { kind: 'process' }>): ReadonlySet<number> {
  const { pid, fd: wanted } = target;
  const inodes = new Set<number>();
  try {
    scanWithFs(`${effects.procRoot}/${pid}/fd`, {
      socket: (fd, inode) => {
        if (wanted === undefined || wanted === fd) inodes.add(inode);
      },
      eventpoll: () => undefined,
    });
  } catch (error) {
    throw processError(error, target);
  }
  return inodes;
}

function processError(error: unknown, target: Extract<Target, { kind: 'process' }>): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ESRCH') {
    return new UserError(`there is no process ${target.pid}`, Exit.FOUND_OR_NO_MATCH);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    const what = `looking for ${targetText(target)}: permission denied`;
    return new UserError(`${what}; run as root, as the user of the process, or with CAP_SYS_PTRACE`, Exit.NOT_POSSIBLE);
  }
  return error;
}
