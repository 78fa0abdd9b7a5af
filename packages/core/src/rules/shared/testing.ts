import type { Finding, Rule, RuleContext, SocketRef } from '../../finding.ts';
import { forecastSocket } from '../../forecast/socket.ts';
import type { NamespaceSnapshot, Owner, ProcessActivity, Snapshot } from '../../snapshot.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf, type SocketSpec, snapshotOf } from '../../testing.ts';
import { forecastInputOf } from './forecast_input.ts';
import { createMemo } from './memo.ts';

/** Test kit of the rules: the pure part of what the doctor does, over tables written by hand. */

function pairKey(from: string, fromPort: number, to: string, toPort: number): string {
  return `${from} ${fromPort} ${to} ${toPort}`;
}

/** Every socket but the listeners, by the addresses that its other end would have. */
function mirrors(snapshot: Snapshot): ReadonlyMap<string, SocketRef> {
  const index = new Map<string, SocketRef>();
  for (const namespace of snapshot.namespaces) {
    const { table } = namespace;
    for (let row = 0; row < table.count; row++) {
      if (table.state(row) === TcpState.LISTEN) continue;
      const [local, remote] = [table.localAddress(row), table.remoteAddress(row)];
      index.set(pairKey(remote, table.remotePort(row), local, table.localPort(row)), { namespace, row });
    }
  }
  return index;
}

export function contextOf(snapshot: Snapshot): RuleContext {
  const index = mirrors(snapshot);
  return {
    snapshot,
    peerOf: ({ namespace: { table }, row }) =>
      index.get(
        pairKey(table.localAddress(row), table.localPort(row), table.remoteAddress(row), table.remotePort(row)),
      ),
    forecast: ({ namespace, row }) => forecastSocket(forecastInputOf(snapshot, namespace, row)),
    memo: createMemo(),
  };
}

/** Runs one rule on the first namespace as the doctor would: candidates by state and first pass, then the verdict. */
export function runRule(
  rule: Rule,
  namespaces: readonly NamespaceSnapshot[],
  overrides: Partial<Snapshot> = {},
): Finding[] {
  const [namespace] = namespaces;
  const { table } = namespace;
  const rows: number[] = [];
  for (let row = 0; row < table.count; row++) {
    if (rule.states.includes(table.state(row)) && rule.candidate(namespace, row)) rows.push(row);
  }
  return rule.diagnose(namespace, rows, contextOf(snapshotOf(namespaces, overrides)));
}

/** For tables of sockets and nothing else. */
export function findIn(
  rule: Rule,
  sockets: readonly SocketSpec[],
  overrides: Partial<NamespaceSnapshot> = {},
): Finding[] {
  return runRule(rule, [namespaceOf(sockets, overrides)]);
}

/** `count` sockets, each made from its number. */
export function many(count: number, make: (index: number) => SocketSpec): SocketSpec[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

export function listener(localPort: number, more: Partial<SocketSpec> = {}): SocketSpec {
  return {
    state: TcpState.LISTEN,
    local: '0.0.0.0',
    remote: '0.0.0.0',
    remotePort: 0,
    localPort,
    inode: 1_000_000 + localPort,
    sendQueue: 128,
    ...more,
  };
}

/** Every inode given held by one process. */
export function heldBy(inodes: readonly number[], owner: Partial<Owner> = {}): Map<number, readonly Owner[]> {
  return new Map(inodes.map((inode, index) => [inode, [{ pid: 812, command: 'node', fd: 20 + index, ...owner }]]));
}

export function activityOf(
  pid: number,
  syscalls: readonly string[],
  epollFds: readonly number[] = [],
): ProcessActivity {
  return {
    pid,
    threads: syscalls.map((syscall, index) => ({ tid: pid + index, name: `t${index}`, syscall, fds: [] })),
    epollFds: new Set(epollFds),
  };
}
