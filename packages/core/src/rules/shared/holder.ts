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

/** Gathers the processes of one group row by row. */
export class HolderGathering {
  readonly key: string;
  readonly #unheldLabel: string;
  /** The first process; there may be as many groups as sockets, and most have no other. */
  #first: Owner | undefined;
  #others: Map<number, Owner> | undefined;
  #sharedSockets = 0;

  constructor(key: string, unheldLabel: string) {
    this.key = key;
    this.#unheldLabel = unheldLabel;
  }

  add(owners: readonly Owner[]): void {
    for (const owner of owners) this.#addOne(owner);
    if (owners.length > 1 && owners.some(({ pid }) => pid !== owners[0].pid)) this.#sharedSockets++;
  }

  #addOne(owner: Owner): void {
    this.#first ??= owner;
    if (owner.pid === this.#first.pid) return;
    this.#others ??= new Map();
    if (!this.#others.has(owner.pid)) this.#others.set(owner.pid, owner);
  }

  finish(): Holder {
    const owners = this.#first ? [this.#first, ...(this.#others?.values() ?? [])] : [];
    return {
      key: this.key,
      label: owners.length === 0 ? this.#unheldLabel : ownersLabel(owners),
      owners,
      unit: owners.length > 0 && owners.every(({ unit }) => unit === owners[0].unit) ? owners[0].unit : undefined,
      sharedSockets: this.#sharedSockets,
    };
  }
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
