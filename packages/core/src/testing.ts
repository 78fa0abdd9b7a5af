import { plainAddress } from './address.ts';
import type { NamespaceSnapshot, Owner, Settings, Snapshot, SocketTable, TcpInfo } from './snapshot.ts';
import { socketKind, TimerCode } from './tcp/kind.ts';
import { TcpState } from './tcp/states.ts';

/** One socket for a test, written as plainly as possible; everything has a default. */
export interface SocketSpec {
  state: number;
  family?: 4 | 6;
  timer?: number;
  expiresMs?: number;
  retries?: number;
  receiveQueue?: number;
  sendQueue?: number;
  local?: string;
  localPort?: number;
  remote?: string;
  remotePort?: number;
  uid?: number;
  inode?: number;
  cookie?: bigint;
  cgroupId?: bigint;
  mark?: number;
  v6only?: boolean;
  interfaceIndex?: number;
  info?: Partial<TcpInfo>;
}

const QUIET_INFO: TcpInfo = {
  retransmits: 0,
  probes: 0,
  backoff: 0,
  options: 7,
  rtoMs: 200,
  unackedSegments: 0,
  lastDataSentMs: 60_000,
  lastDataReceivedMs: 60_000,
  lastAckReceivedMs: 60_000,
  rttUs: 500,
  rttVarianceUs: 100,
  totalRetransmits: 0,
};

function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  if (text.includes('.')) {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0);
    mapped.set(addressBytes(text.slice(text.lastIndexOf(':') + 1)), 12);
    return mapped;
  }
  const [head, tail = ''] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const words = text.includes('::')
    ? [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
    : left;
  return Uint8Array.from(words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]));
}

/** A SocketTable over plain objects: for tests of the pure parts only. */
export function tableOf(sockets: readonly SocketSpec[]): SocketTable {
  const at = (row: number) => sockets[row];
  const inode = (row: number) => at(row).inode ?? 0;
  const timer = (row: number) =>
    at(row).timer ?? (at(row).state === TcpState.TIME_WAIT ? TimerCode.TIME_WAIT : TimerCode.NONE);
  const localAddress = (row: number) => at(row).local ?? '10.0.0.1';
  const remoteAddress = (row: number) => at(row).remote ?? '10.0.0.2';
  return {
    count: sockets.length,
    rowsIn: (state) => sockets.flatMap((socket, row) => (socket.state === state ? [row] : [])),
    state: (row) => at(row).state,
    family: (row) => at(row).family ?? (localAddress(row).includes(':') ? 6 : 4),
    kind: (row) => socketKind(at(row).state, timer(row), inode(row)),
    timer,
    timerExpiresMs: (row) => at(row).expiresMs ?? 0,
    timerRetries: (row) => at(row).retries ?? 0,
    receiveQueue: (row) => at(row).receiveQueue ?? 0,
    sendQueue: (row) => at(row).sendQueue ?? 0,
    localPort: (row) => at(row).localPort ?? 80,
    remotePort: (row) => at(row).remotePort ?? 40_000 + row,
    localAddress,
    remoteAddress,
    localAddressBytes: (row) => addressBytes(localAddress(row)),
    remoteAddressBytes: (row) => addressBytes(remoteAddress(row)),
    timers: (rows) => ({
      expiresMs: Array.from(rows, (row) => at(row).expiresMs ?? 0),
      retries: Array.from(rows, (row) => at(row).retries ?? 0),
    }),
    byRemote: (rows) => {
      const numbers = new Map<string, number>();
      const firsts: number[] = [];
      const numbered = Array.from(rows, (row) => {
        const key = `${plainAddress(remoteAddress(row))} ${at(row).remotePort ?? 40_000 + row}`;
        if (!numbers.has(key)) numbers.set(key, firsts.push(row) - 1);
        return numbers.get(key) ?? -1;
      });
      return { numbers: numbered, firsts };
    },
    byDestination: (rows, least, localPorts) => {
      const lists = new Map<string, number[]>();
      for (const row of Array.from(rows)) {
        if (localPorts?.[at(row).localPort ?? 80] === 0) continue;
        const key = `${localAddress(row)} ${remoteAddress(row)} ${at(row).remotePort ?? 40_000 + row}`;
        lists.set(key, [...(lists.get(key) ?? []), row]);
      }
      return [...lists.values()].filter(({ length }) => length >= least);
    },
    alike: (rows) => ({ numbers: Array.from(rows, (_, index) => index), firsts: Array.from(rows) }),
    interfaceIndex: (row) => at(row).interfaceIndex ?? 0,
    uid: (row) => at(row).uid ?? 0,
    inode,
    cookie: (row) => at(row).cookie ?? BigInt(row + 1),
    cgroupId: (row) => at(row).cgroupId,
    v6only: (row) => at(row).v6only,
    mark: (row) => at(row).mark,
    info: (row) => {
      const { info } = at(row);
      return info && { ...QUIET_INFO, ...info };
    },
  };
}

/** Defaults of Linux 6.18. */
export const DEFAULT_SETTINGS: Settings = {
  tcp_retries1: 3,
  tcp_retries2: 15,
  tcp_orphan_retries: 0,
  tcp_fin_timeout: 60,
  tcp_rto_max_ms: 120_000,
  tcp_rto_min_us: 200_000,
  tcp_syn_retries: 6,
  tcp_syn_linear_timeouts: 4,
  tcp_synack_retries: 5,
  tcp_keepalive_time: 7200,
  tcp_keepalive_intvl: 75,
  tcp_keepalive_probes: 9,
  tcp_max_orphans: 131_072,
  tcp_max_tw_buckets: 131_072,
  tcp_tw_reuse: 2,
  tcp_timestamps: 1,
  tcp_rfc1337: 0,
  tcp_max_syn_backlog: 4096,
  somaxconn: 4096,
  ip_local_port_range_low: 32_768,
  ip_local_port_range_high: 60_999,
};

export function namespaceOf(
  sockets: readonly SocketSpec[],
  overrides: Partial<NamespaceSnapshot> = {},
): NamespaceSnapshot {
  return {
    inode: 4026531840,
    label: 'host',
    table: tableOf(sockets),
    settings: DEFAULT_SETTINGS,
    sockstat: {},
    interfaces: [],
    paths: new Map(),
    options: new Map(),
    ...overrides,
  };
}

export function snapshotOf(namespaces: readonly NamespaceSnapshot[], overrides: Partial<Snapshot> = {}): Snapshot {
  return {
    atMs: Date.UTC(2026, 0, 1),
    host: 'testhost',
    kernel: '6.18.0',
    timerHz: 250,
    namespaces,
    owners: new Map<number, readonly Owner[]>(),
    activity: new Map(),
    notes: [],
    ...overrides,
  };
}
