import {
  type NamespaceSnapshot,
  type Note,
  type Settings,
  type Snapshot,
  type SocketOwners,
  TcpState,
} from '@lastack/core';
import {
  DiagTable,
  dumpSockets,
  KernelError,
  type NamespaceRef,
  NetlinkProtocol,
  type NetlinkTransport,
  NO_OWNERS,
  type OwnerSearch,
  openNetlink,
  RowPacker,
  readCounters,
  readInterfaces,
  readSettings,
  readSockstat,
  readTimerHz,
} from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { inside, isOwnNamespace, namespacesIn, type Scope } from './namespaces.ts';
import { ownerSearch, searchMeanwhile } from './owner_search.ts';

/** A namespace that is open: its netlink socket stays in it, whatever the thread does afterwards. */
export interface OpenNamespace {
  ref: NamespaceRef;
  diag: NetlinkTransport;
  /** A second one, for walks that go on at the same time. */
  diagAside: NetlinkTransport;
  readonly settings: Settings;
}

/** Opens the namespaces of a scope for reading. One that cannot be entered or vanished becomes a note. */
export function openNamespaces(effects: Effects, scope: Scope, notes: Note[]): OpenNamespace[] {
  const refs = namespacesIn(effects, scope, notes);
  const opened: OpenNamespace[] = [];
  for (const ref of refs) {
    const open = inside(effects, ref, notes, () => openHere(effects, ref));
    if (open) opened.push(open);
  }
  return opened;
}

/** Opens the namespace that the thread is in now. */
function openHere(effects: Effects, ref: NamespaceRef): OpenNamespace {
  const open = () => openNetlink(effects.libc(), NetlinkProtocol.SOCK_DIAG);
  const settings = isOwnNamespace(effects, ref) ? undefined : readSettings(effects);
  return new Opened(ref, open(), open(), () => settings ?? readSettings(effects));
}

class Opened implements OpenNamespace {
  readonly ref: NamespaceRef;
  readonly diag: NetlinkTransport;
  readonly diagAside: NetlinkTransport;
  readonly #read: () => Settings;
  #settings: Settings | undefined;

  constructor(ref: NamespaceRef, diag: NetlinkTransport, diagAside: NetlinkTransport, read: () => Settings) {
    this.ref = ref;
    this.diag = diag;
    this.diagAside = diagAside;
    this.#read = read;
  }

  /** One's own can be read at any time: when the kernel has been given its work. */
  get settings(): Settings {
    this.#settings ??= this.#read();
    return this.#settings;
  }
}

export function closeNamespaces(opened: readonly Pick<OpenNamespace, 'diag' | 'diagAside'>[]): void {
  for (const { diag, diagAside } of opened) {
    diag.close();
    diagAside.close();
  }
}

/** A namespace as observed, still open for second passes; the snapshot's maps are filled in while diagnosing. */
export interface ObservedNamespace extends NamespaceSnapshot {
  table: DiagTable;
  diag: NetlinkTransport;
  diagAside: NetlinkTransport;
  ref: NamespaceRef;
  paths: Map<string, NonNullable<ReturnType<NamespaceSnapshot['paths']['get']>>>;
  options: Map<bigint, NonNullable<ReturnType<NamespaceSnapshot['options']['get']>>>;
}

export interface Observation extends Snapshot {
  namespaces: ObservedNamespace[];
  owners: SocketOwners;
  /** Begun while the sockets were dumped, ended when some rule asks for owners. */
  ownerSearch?: OwnerSearch;
  activity: Map<number, NonNullable<ReturnType<Snapshot['activity']['get']>>>;
  notes: Note[];
  /** Epoll descriptors by pid, met while searching for owners. */
  epollDescriptors: Map<number, number[]>;
  /** Monotonic milliseconds when the observation began. */
  startedMs: number;
  /** `atMs` on the monotonic clock. */
  atMonotonicMs: number;
}

/** What was read of the sockets until now counts from `atMs` all the same: forecasts have to allow for that. */
export function noteRead(
  effects: Effects,
  { atMonotonicMs }: Pick<Observation, 'atMonotonicMs'>,
  namespace: ObservedNamespace,
): void {
  namespace.readWithinMs = effects.monotonicMs() - atMonotonicMs;
}

const ALL_STATES = 0x3ffe;

/** Connections and listeners. Sockets that are merely bound take a walk of their own, over every port in use. */
export const DIAGNOSED_STATES = ALL_STATES & ~(1 << TcpState.BOUND_INACTIVE);

/** Which sockets an observation holds; all of them unless said otherwise. */
export interface ObservedSockets {
  /** Bits 1 << TcpState. */
  states: number;
  /** Lets the kernel leave out sockets. */
  bytecode: Uint8Array | undefined;
}

/**
 * First pass over every namespace of the scope: sockets, settings, and the first reading of the counters.
 * Rejects with KernelError when not one namespace could be read.
 */
export async function observe(
  effects: Effects,
  scope: Scope,
  { states = ALL_STATES, bytecode }: Partial<ObservedSockets> = {},
): Promise<Observation> {
  const notes: Note[] = [];
  const startedMs = effects.monotonicMs();
  const opened = openNamespaces(effects, scope, notes);
  const atMs = effects.now();
  const atMonotonicMs = effects.monotonicMs();
  const namespaces: ObservedNamespace[] = [];
  const epollDescriptors = new Map<number, number[]>();
  const search = ownerSearch(effects, notes, (pid, fd) => {
    const known = epollDescriptors.get(pid);
    if (known) known.push(fd);
    else epollDescriptors.set(pid, [fd]);
  });
  let failure: unknown;
  for (const open of opened) {
    try {
      const namespace = await searchMeanwhile(search, observeNamespace(effects, open, notes, { states, bytecode }));
      noteRead(effects, { atMonotonicMs }, namespace);
      namespaces.push(namespace);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      failure = error;
      closeNamespaces([open]);
      notes.push(failureNote(open.ref, error));
    }
  }
  if (namespaces.length === 0 && failure) throw failure;
  if (namespaces.length > 1) for (const namespace of namespaces) namespace.seenWithOthers = true;
  return {
    atMs,
    host: effects.hostname,
    kernel: effects.kernelRelease,
    timerHz: readTimerHz(effects.libc()),
    namespaces,
    owners: NO_OWNERS,
    ownerSearch: search,
    activity: new Map(),
    notes,
    epollDescriptors,
    startedMs,
    atMonotonicMs,
  };
}

function failureNote({ label }: NamespaceRef, error: KernelError): Note {
  return {
    what: `sockets of network namespace ${label} not read`,
    because: error.message,
    todo: error.todo,
    incomplete: true,
  };
}

/** From here on collecting garbage takes longer than changing how it is done. */
const MANY_SOCKETS = 50_000;

/**
 * V8's young generation grows to its limit at once rather than by doubling: half as many collections. And what it
 * compiles it compiles without inlining: each function runs for a few ten thousand sockets and then never again, so that
 * compiling takes as much processor time as running.
 */
function prepareForMany({ env }: Effects): void {
  // V8 refuses a code cache that was written under other flags than those of the start.
  if (env.LASTACK_CODE_CACHE === 'write') return;
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--semi-space-growth-factor=16');
  setFlagsFromString('--no-turbo-inlining');
}

/** A little more than there were a moment ago: they come and go, and copying the table costs more than room. */
function withRoom(sockets: number): number {
  return Math.ceil(sockets * 1.02) + 500;
}

async function observeNamespace(
  effects: Effects,
  open: OpenNamespace,
  notes: Note[],
  { states, bytecode }: ObservedSockets,
): Promise<ObservedNamespace> {
  const { ref, diag, diagAside } = open;
  const isOwn = isOwnNamespace(effects, ref);
  const read = inside(effects, ref, notes, () => ({
    sockstat: readSockstat(effects),
    counters: readCounters(effects),
    // /sys shows the devices of the namespace it was mounted in: true here, foreign elsewhere.
    interfaces: readInterfaces(isOwn ? effects : { procRoot: effects.procRoot }),
  }));
  const sockstat = read?.sockstat ?? {};
  const others = withRoom((sockstat['TCP.inuse'] ?? 0) + (sockstat['TCP6.inuse'] ?? 0));
  const minisockets = withRoom(sockstat['TCP.tw'] ?? 0);
  const expected = bytecode ? 0 : others + minisockets;
  if (expected >= MANY_SOCKETS) prepareForMany(effects);
  const table = new DiagTable(expected);
  if (expected >= MANY_SOCKETS) table.keepApart(others);
  const bulk = RowPacker.into(table, expected >= MANY_SOCKETS ? effects.compiled('pack_rows') : undefined);
  const dump = dumpSockets(diag, { states, bytecode, aside: diagAside, bulk }, (words, view, at, end) =>
    table.append(words, view, at, end),
  );
  const { settings } = open;
  const incomplete = await dump;
  table.settle();
  if (incomplete)
    notes.push({ what: `sockets of network namespace ${ref.label}`, because: incomplete, incomplete: true });
  const first = read?.counters;
  return {
    ref,
    diag,
    diagAside,
    inode: ref.inode,
    label: ref.label,
    enterPath: isOwn ? undefined : ref.path,
    table,
    settings,
    sockstat,
    counters: first && { first, second: first, elapsedMs: 0 },
    interfaces: read?.interfaces ?? [],
    paths: new Map(),
    options: new Map(),
  };
}

/** Second reading of the counters, so that rules see rates. `elapsedMs` is the time since the first. */
export function readCountersAgain(effects: Effects, observation: Observation, firstMs: number): void {
  for (const namespace of observation.namespaces) {
    const { counters } = namespace;
    if (!counters) continue;
    const second = inside(effects, namespace.ref, [], () => readCounters(effects));
    if (second) namespace.counters = { first: counters.first, second, elapsedMs: effects.monotonicMs() - firstMs };
  }
}
