import { masked } from '../../printable.ts';
import type { NamespaceSnapshot, Owner, Row, Snapshot } from '../../snapshot.ts';
import { listed } from './words.ts';

/** Who has a group of sockets open: the processes, or why there are none. */
export interface Holder {
  key: string;
  /** `node (pid 812)`, `nginx.service (nginx, pids 12 and 13)`, `no process (uid 33)`. */
  label: string;
  /** One entry per process, in the order met. */
  owners: readonly Owner[];
  /** systemd unit, where all of it belongs to one. */
  unit?: string;
  /** Sockets of the group that more than one process holds. */
  sharedSockets: number;
}

/** The processes of one group. @param held one for each socket, or one for all those that one process holds alone */
export function holderOf(key: string, unheldLabel: string, held: readonly HeldBy[]): Holder {
  const byPid = new Map<number, Owner>();
  let sharedSockets = 0;
  for (const { owners } of held) {
    for (const owner of owners) if (!byPid.has(owner.pid)) byPid.set(owner.pid, owner);
    if (owners.length > 1 && owners.some(({ pid }) => pid !== owners[0].pid)) sharedSockets++;
  }
  const owners = [...byPid.values()];
  return {
    key,
    label: owners.length === 0 ? unheldLabel : ownersLabel(owners),
    owners,
    unit: owners.length > 0 && owners.every(({ unit }) => unit === owners[0].unit) ? owners[0].unit : undefined,
    sharedSockets,
  };
}

function ownersLabel(owners: readonly Owner[]): string {
  const [first] = owners;
  const command = listed([...new Set(owners.map((owner) => masked(owner.command)))], 2);
  const pids = `${owners.length === 1 ? 'pid' : 'pids'} ${listed(owners.map(({ pid }) => String(pid)))}`;
  const group = first.unit ?? first.container;
  if (group === undefined || masked(group) === `${command}.service`) return `${command} (${pids})`;
  return `${masked(group)} (${command}, ${pids})`;
}

/** Processes of one unit or container that run the same command are one holder; otherwise the exact set of pids. */
export function ownersKey(owners: readonly Owner[]): string {
  const [first] = owners;
  const group = first.unit ?? first.container;
  if (group !== undefined) return `${group}/${first.command}`;
  if (owners.length === 1) return `pid:${first.pid}`;
  const pids = [...new Set(owners.map(({ pid }) => pid))].sort((left, right) => left - right);
  return `pid:${pids.join()}`;
}

/** The program that listens has a connection nobody accepted yet. */
export interface HeldBy {
  key: string;
  unheldLabel: string;
  owners: readonly Owner[];
}

/** `heldBy` for many rows: what one process alone holds has one answer, without the descriptors. */
export function holders(snapshot: Snapshot, namespace: NamespaceSnapshot): (row: Row) => HeldBy {
  const { owners } = snapshot;
  const byPid = new Map<number, HeldBy>();
  return (row) => {
    const pid = owners.solePid?.(namespace.table.inode(row)) ?? 0;
    let held = pid === 0 ? undefined : byPid.get(pid);
    if (held === undefined) {
      held = heldBy(snapshot, namespace, row);
      if (pid !== 0) byPid.set(pid, held);
    }
    return held;
  };
}

/**
 * Who holds the socket of `row`. Orphans are told apart by what the kernel kept of their creator: uid (0 means root or
 * "not kept", so it is not named) and cgroup.
 */
export function heldBy(snapshot: Snapshot, namespace: NamespaceSnapshot, row: Row): HeldBy {
  const { table } = namespace;
  const inode = table.inode(row);
  const owners = inode === 0 ? [] : (snapshot.owners.get(inode) ?? []);
  if (owners.length > 0) return { key: ownersKey(owners), unheldLabel: '', owners };
  const uid = table.uid(row);
  if (inode !== 0) {
    return { key: `unseen:${uid}`, unheldLabel: `a process that cannot be seen from here (uid ${uid})`, owners };
  }
  const creator = uid === 0 ? '' : ` (uid ${uid})`;
  return { key: `none:${uid}:${table.cgroupId(row) ?? ''}`, unheldLabel: `no process${creator}`, owners };
}
