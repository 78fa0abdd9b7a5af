import type { Settings } from '@lastack/core';
import { DIAG_MESSAGE_BYTES, DiagField, DiagTable, LITTLE_ENDIAN, TCP_INFO_BYTES, TcpInfoField } from '@lastack/kernel';
import type { Observation, ObservedNamespace } from '../../engine/observation.ts';

/** One socket of a test, in the kernel's terms. */
export interface TestSocket {
  state: number;
  local?: string;
  remote?: string;
  timer?: number;
  expiresMs?: number;
  retries?: number;
  receiveQueue?: number;
  sendQueue?: number;
  inode?: number;
  uid?: number;
  cookie?: number;
  /** Of struct tcp_info: by the names of TcpInfoField, 4 bytes each, but for the single bytes. */
  info?: Partial<Record<keyof typeof TcpInfoField, number>>;
}

const SINGLE_BYTES: ReadonlySet<string> = new Set(['retransmits', 'probes', 'backoff', 'options']);

function endpointBytes(text: string): { address: Uint8Array; port: number } {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/[[\]]/g, '');
  const port = Number(text.slice(at + 1));
  if (!host.includes(':')) return { address: Uint8Array.from(host.split('.').map(Number)), port };
  const [head, tail = ''] = host.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const zeros = Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  const words = [...groups(head), ...zeros, ...groups(tail)].map((group) => Number.parseInt(group, 16));
  return { address: Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255])), port };
}

/** Sockets as the kernel would report them, through the same decoder as real ones. */
export function diagTableOf(sockets: readonly TestSocket[]): DiagTable {
  const table = new DiagTable();
  for (const [index, socket] of sockets.entries()) {
    const buffer = new ArrayBuffer(DIAG_MESSAGE_BYTES);
    const bytes = new Uint8Array(buffer);
    const view = new DataView(buffer);
    const local = endpointBytes(socket.local ?? '10.0.0.1:80');
    const remote = endpointBytes(socket.remote ?? `10.0.0.2:${40_000 + index}`);
    bytes[DiagField.family] = local.address.length === 4 ? 2 : 10;
    bytes[DiagField.state] = socket.state;
    bytes[DiagField.timer] = socket.timer ?? 0;
    bytes[DiagField.retries] = socket.retries ?? 0;
    view.setUint16(DiagField.localPort, local.port);
    view.setUint16(DiagField.remotePort, remote.port);
    bytes.set(local.address, DiagField.localAddress);
    bytes.set(remote.address, DiagField.remoteAddress);
    const put = (field: number, value: number) => view.setUint32(field, value, LITTLE_ENDIAN);
    put(DiagField.cookie, socket.cookie ?? 0x1000 + index);
    put(DiagField.expiresMs, socket.expiresMs ?? 0);
    put(DiagField.receiveQueue, socket.receiveQueue ?? 0);
    put(DiagField.sendQueue, socket.sendQueue ?? 0);
    put(DiagField.uid, socket.uid ?? 0);
    put(DiagField.inode, socket.inode ?? 0);
    table.append(new Uint32Array(buffer), view, 0, DIAG_MESSAGE_BYTES);
  }
  attachInfo(table, sockets);
  return table;
}

function attachInfo(table: DiagTable, sockets: readonly TestSocket[]): void {
  const rows = sockets.flatMap(({ info }, row) => (info ? [row] : []));
  if (rows.length === 0) return;
  table.expectInfo(rows);
  for (const row of rows) {
    const view = new DataView(new ArrayBuffer(TCP_INFO_BYTES));
    for (const [name, value] of Object.entries(sockets[row].info ?? {})) {
      const at = TcpInfoField[name as keyof typeof TcpInfoField];
      if (SINGLE_BYTES.has(name)) view.setUint8(at, value);
      else if (name === 'totalRto' || name === 'totalRtoRecoveries') view.setUint16(at, value, LITTLE_ENDIAN);
      else view.setUint32(at, value, LITTLE_ENDIAN);
    }
    const { cookie } = sockets[row];
    table.attachInfo(cookie ?? 0x1000 + row, 0, sockets[row].state, new Uint32Array(view.buffer), 0, TCP_INFO_BYTES);
  }
}

/** Defaults of Linux 6.18. */
export const TEST_SETTINGS: Settings = {
  tcp_retries2: 15,
  tcp_orphan_retries: 0,
  tcp_fin_timeout: 60,
  tcp_rto_max_ms: 120_000,
  tcp_keepalive_time: 7200,
  tcp_keepalive_intvl: 75,
  tcp_keepalive_probes: 9,
  ip_local_port_range_low: 32_768,
  ip_local_port_range_high: 60_999,
};

const NO_KERNEL = {
  send: () => 0,
  receive: () => Promise.reject(new Error('no kernel in this test')),
  close: () => undefined,
};

export function observedNamespace(label: string, sockets: readonly TestSocket[]): ObservedNamespace {
  return {
    ref: { inode: 1, label, path: '/proc/self/ns/net' },
    diag: NO_KERNEL,
    diagAside: NO_KERNEL,
    inode: 4026531840,
    label,
    enterPath: label === 'host' ? undefined : `/run/netns/${label}`,
    table: diagTableOf(sockets),
    settings: TEST_SETTINGS,
    sockstat: {},
    interfaces: [],
    paths: new Map(),
    options: new Map(),
  };
}

export function observationOf(namespaces: ObservedNamespace[], overrides: Partial<Observation> = {}): Observation {
  return {
    atMs: Date.UTC(2026, 0, 1),
    host: 'web-3',
    kernel: '6.18.44',
    timerHz: 250,
    namespaces,
    owners: new Map(),
    activity: new Map(),
    epollDescriptors: new Map(),
    notes: [],
    startedMs: 0,
    atMonotonicMs: 0,
    ...overrides,
  };
}
