import type { ConntrackEntry } from './conntrack.ts';
import type { SocketKind } from './tcp/kind.ts';

/** Rows that are the same in some respect have one number, counted from 0 in the order met. */
export interface NumberedRows {
  /** In the order of the rows. */
  numbers: ArrayLike<number>;
  /** The first row of each number. */
  firsts: readonly Row[];
}

export interface TimerColumns {
  expiresMs: ArrayLike<number>;
  retries: ArrayLike<number>;
}

/** What a rule's `candidate` may look at: it is asked once for all rows that are the same in this. */
export type FirstLook = Pick<SocketTable, 'state' | 'kind' | 'timer' | 'timerRetries' | 'receiveQueue' | 'sendQueue'>;

/** Row number in a SocketTable. Meaningless in any other table. */
export type Row = number;

/**
 * Every TCP socket of one network namespace, in columns. The methods read bytes in place: nothing is decoded that is
 * not asked for. Implemented by the kernel package over sock_diag replies; tests use any object of this shape.
 */
export interface SocketTable {
  readonly count: number;
  /** The rows in a state, in their order: who looks for few need not walk over all. */
  rowsIn(state: number): ArrayLike<Row>;
  /** TcpState number. */
  state(row: Row): number;
  family(row: Row): 4 | 6;
  kind(row: Row): SocketKind;
  /** TimerCode: which timer runs (idiag_timer). */
  timer(row: Row): number;
  /** Milliseconds until that timer fires; 0 when due or when none runs (idiag_expires). */
  timerExpiresMs(row: Row): number;
  /** Retransmissions or probes, by timer (idiag_retrans). */
  timerRetries(row: Row): number;
  /** Bytes; for LISTEN the number of connections waiting to be accepted. A received FIN counts as one byte. */
  receiveQueue(row: Row): number;
  /** Bytes not yet acknowledged; for LISTEN the backlog limit. An unacknowledged FIN counts as one byte. */
  sendQueue(row: Row): number;
  localPort(row: Row): number;
  remotePort(row: Row): number;
  /** Textual address without brackets or scope (`10.0.0.1`, `fe80::1`, `::ffff:10.0.0.1`). */
  localAddress(row: Row): string;
  remoteAddress(row: Row): string;
  /** The address in network byte order, 4 or 16 bytes; a view, not a copy. */
  localAddressBytes(row: Row): Uint8Array;
  remoteAddressBytes(row: Row): Uint8Array;
  /**
   * Lists of those of the rows that share family, local address, remote address and remote port: they compete for the
   * same local ports. Only lists of at least `least`, in the order met.
   * @param localPorts only rows whose local port has a 1 in it
   */
  byDestination(rows: ArrayLike<Row>, least: number, localPorts?: Uint8Array): readonly ArrayLike<Row>[];
  /** `timerExpiresMs` and `timerRetries` of many rows, in their order. */
  timers(rows: ArrayLike<Row>): TimerColumns;
  /** Numbers rows that cannot be told apart by what FirstLook offers. */
  alike(rows: ArrayLike<Row>): NumberedRows;
  /** Numbers rows by remote address and port; a v4-mapped address is the same as the IPv4 address it holds. */
  byRemote(rows: ArrayLike<Row>): NumberedRows;
  interfaceIndex(row: Row): number;
  uid(row: Row): number;
  inode(row: Row): number;
  /** The kernel's 64-bit socket cookie: with it a socket is never confused with a later one of the same addresses. */
  cookie(row: Row): bigint;
  /** cgroup v2 id; undefined when the kernel did not say (before 5.15, and for minisockets and requests). */
  cgroupId(row: Row): bigint | undefined;
  /** IPV6_V6ONLY of an IPv6 socket that listens or is bound; undefined for others: the kernel does not say. */
  v6only(row: Row): boolean | undefined;
  /** SO_MARK; undefined unless the reader has CAP_NET_ADMIN. */
  mark(row: Row): number | undefined;
  /** TCP_INFO where the second pass fetched it; undefined otherwise. Its fields are read when asked for. */
  info(row: Row): TcpInfo | undefined;
}

/**
 * struct tcp_info (include/uapi/linux/tcp.h) as far as lastack uses it. A field that this kernel's shorter structure
 * does not reach is undefined, never 0.
 */
export interface TcpInfo {
  retransmits: number;
  probes: number;
  backoff: number;
  /** TCPI_OPT_* bits: 1 timestamps, 2 SACK, 4 window scaling. */
  options: number;
  rtoMs: number;
  unackedSegments: number;
  lastDataSentMs: number;
  lastDataReceivedMs: number;
  lastAckReceivedMs: number;
  rttUs: number;
  rttVarianceUs: number;
  totalRetransmits: number;
  bytesAcked?: number;
  bytesReceived?: number;
  notSentBytes?: number;
  bytesSent?: number;
  /** The peer's advertised receive window, bytes; since 6.2 (5.4 has it as well in some builds): absent otherwise. */
  sendWindow?: number;
  receiveWindow?: number;
  /** Timeout episodes since 6.7: RTO firings of the current one, how many episodes, total time in them. */
  totalRto?: number;
  totalRtoRecoveries?: number;
  totalRtoTimeMs?: number;
}

/** Socket options that the diag interface does not report, read through a duplicate of the owner's descriptor. */
export interface SocketOptions {
  userTimeoutMs: number;
  keepalive: boolean;
  keepaliveIdleSeconds: number;
  keepaliveIntervalSeconds: number;
  keepaliveProbes: number;
  /** TCP_LINGER2; -1 = no FIN_WAIT2 at all. */
  linger2Seconds: number;
  synCount: number;
  /** TCP_RTO_MAX_MS, Linux 6.15. */
  rtoMaxMs?: number;
}

export interface Owner {
  pid: number;
  command: string;
  fd: number;
  /** systemd unit (`nginx.service`), when the cgroup names one. */
  unit?: string;
  /** `docker:0123456789ab`, `pod:…`, when the cgroup names one. */
  container?: string;
}

/** One thread's present system call; what /proc/PID/task/TID/syscall says. */
export interface ThreadActivity {
  tid: number;
  name: string;
  /** System call name, `running` when on a CPU; undefined when it could not be read. */
  syscall?: string;
  /** The descriptors this call waits for or works on, where its arguments tell. */
  fds: number[];
}

export interface ProcessActivity {
  pid: number;
  threads: ThreadActivity[];
  /** Descriptors that some epoll set of the process watches. */
  epollFds: ReadonlySet<number>;
  /** Why this could not be read in full (no permission, gone). */
  unreadable?: string;
}

/** Values of net.ipv4.* by short name (`tcp_retries2`), in the unit the kernel shows; absent on this kernel = undefined. */
export type Settings = Readonly<Record<string, number | undefined>>;

/** Cumulative kernel counters read twice, e.g. `TcpExt.ListenOverflows`. Values are since boot of the namespace. */
export interface Counters {
  first: ReadonlyMap<string, number>;
  second: ReadonlyMap<string, number>;
  /** Milliseconds between the two reads. */
  elapsedMs: number;
}

/** How packets to one remote address leave this namespace and what the link layer knows of the next hop. */
export interface PathEvidence {
  /** `local`: the address is one of this namespace's own. `none`: no route. */
  route: 'on-link' | 'gateway' | 'local' | 'none' | 'blackhole' | 'unknown';
  gateway?: string;
  device?: string;
  /** NUD state of the next hop (`REACHABLE`, `STALE`, `FAILED`, …); undefined: no entry or not asked. */
  neighbour?: string;
  /** Whether the device has carrier; undefined where it cannot be told. */
  carrier?: boolean;
}

export interface InterfaceCounters {
  device: string;
  receiveErrors: number;
  transmitErrors: number;
  receiveDrops: number;
  transmitDrops: number;
  speedMbps?: number;
  duplex?: string;
}

export interface NamespaceSnapshot {
  /** Inode number of the namespace (the number in `net:[4026531840]`). */
  inode: number;
  /** `host`, the `ip netns` name, container, unit, or `netns-INODE`. */
  label: string;
  /** A file by which `nsenter --net=` gets there; undefined for the namespace that lastack itself runs in. */
  enterPath?: string;
  /** Others were looked at, too: other ends that were visible there have a say in the findings here. */
  seenWithOthers?: boolean;
  table: SocketTable;
  /** The table and TCP_INFO were read within so many milliseconds after `atMs` of the snapshot; undefined: at once. */
  readWithinMs?: number;
  settings: Settings;
  /** /proc/net/sockstat: `TCP.orphan` (host-wide), `TCP.tw`, `TCP.alloc` (host-wide), `TCP.mem` (host-wide, pages). */
  sockstat: Settings;
  counters?: Counters;
  interfaces: readonly InterfaceCounters[];
  /** By remote address, filled only for addresses that a rule asked about. */
  paths: ReadonlyMap<string, PathEvidence>;
  /** By cookie, filled only for owned sockets that a rule asked about, where permitted. */
  options: ReadonlyMap<bigint, SocketOptions>;
  /**
   * Entries of this namespace's connection tracking by `conntrackKey`, filled only where a rule asked. Empty: nothing
   * is tracked here. Undefined: not asked, not permitted, or a kernel without connection tracking.
   */
  conntrack?: ReadonlyMap<string, ConntrackEntry>;
}

/** Holders by socket inode, in ascending order of pid and descriptor. */
export interface SocketOwners {
  get(inode: number): readonly Owner[] | undefined;
  /** Process and number of the one descriptor that holds it, without an object; 0 and -1 where none or several do. */
  solePid?(inode: number): number;
  soleFd?(inode: number): number;
}

export interface Snapshot {
  /** Epoch milliseconds at which the first dump was read: all `…Ms` of forecasts count from here. */
  atMs: number;
  host: string;
  kernel: string;
  /** CONFIG_HZ where it could be read; forecasts assume the coarsest common value otherwise. */
  timerHz?: number;
  namespaces: readonly NamespaceSnapshot[];
  /** By socket inode, unique on the host. A socket held by several processes lists each. */
  owners: SocketOwners;
  activity: ReadonlyMap<number, ProcessActivity>;
  /** What could not be seen, and why. */
  notes: readonly Note[];
}

/** `what` was not seen `because`; `todo` says what would allow it. One line when joined. */
export interface Note {
  what: string;
  because: string;
  todo?: string;
  /** True when sockets may be missing from the report because of it. */
  incomplete: boolean;
}
