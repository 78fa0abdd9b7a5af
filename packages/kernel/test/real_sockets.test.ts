import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Row, stateName, TimerCode } from '@lastack/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSockDestroy } from '../src/capabilities.ts';
import { dumpSockets, fetchInfo } from '../src/dump.ts';
import { withNamespace } from '../src/netns/enter.ts';
import { cookieOfDescriptor, readSocketOptions } from '../src/socket_options.ts';
import { loadLibc } from '../src/sys/libc.ts';
import { openNetlink } from '../src/transport/real.ts';
import { NetlinkProtocol, type NetlinkTransport } from '../src/transport/transport.ts';
import { DiagTable } from '../src/wire/socket_table.ts';

const MAY_MAKE_NAMESPACES = process.getuid?.() === 0 || process.env.CI !== undefined;
const ALL_STATES = 0x3ffe;

/** ss's words for states and timers, in ours. */
const SS_STATES: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED',
  FIN_WAIT_1: 'FIN_WAIT1',
  FIN_WAIT_2: 'FIN_WAIT2',
};
const SS_TIMERS: Readonly<Record<string, number>> = {
  on: TimerCode.RETRANSMIT,
  keepalive: TimerCode.KEEPALIVE,
  timewait: TimerCode.TIME_WAIT,
  persist: TimerCode.ZERO_WINDOW_PROBE,
};

interface SsSocket {
  state: string;
  queues: string;
  local: string;
  remote: string;
  timer: number;
  inode: number;
  info: string;
}

/** `ss -tanoieH` in the namespace of a process, by cookie. */
function socketsOfSs(pid: number): Map<string, SsSocket> {
  const text = execFileSync('nsenter', ['-t', String(pid), '-n', 'ss', '-tanoieH', '-O'], { encoding: 'utf8' });
  const sockets = new Map<string, SsSocket>();
  for (const line of text.trim().split('\n')) {
    const [state, receive, send, local, remote, ...rest] = line.trim().split(/\s+/);
    const info = rest.join(' ');
    const name = state.replaceAll('-', '_');
    sockets.set(/\bsk:([0-9a-f]+)/.exec(info)?.[1] ?? '', {
      state: SS_STATES[name] ?? name,
      queues: `${receive} ${send}`,
      local: local.replace(/%[^:\]]+/, ''),
      remote: remote.replace(/%[^:\]]+/, ''),
      timer: SS_TIMERS[/timer:\((\w+)/.exec(info)?.[1] ?? ''] ?? TimerCode.NONE,
      inode: Number(/\bino:(\d+)/.exec(info)?.[1] ?? 0),
      info,
    });
  }
  return sockets;
}

/** As ss writes it: `[::1]:80`, `*` for a port of 0. */
function endpoint(address: string, port: number): string {
  const shown = address.includes(':') ? (address === '::' ? '*' : `[${address}]`) : address;
  return `${shown}:${port === 0 ? '*' : port}`;
}

describe.skipIf(!MAY_MAKE_NAMESPACES)('real sockets (needs root for a network namespace)', () => {
  const libc = loadLibc();
  let child: ChildProcess;
  let transport: NetlinkTransport;

  beforeAll(async () => {
    const script = fileURLToPath(new URL('filter_sockets.py', import.meta.url));
    child = spawn('unshare', ['--net', 'python3', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    // The greeting comes when all sockets stand.
    await createInterface(child.stdout!)[Symbol.asyncIterator]().next();
    const target = { path: `/proc/${child.pid}/ns/net`, label: 'test' };
    const opened = withNamespace(target, libc, () => openNetlink(libc, NetlinkProtocol.SOCK_DIAG));
    if (!opened.ok) throw new Error(opened.note.because);
    transport = opened.value;
  });

  afterAll(() => {
    transport?.close();
    child?.kill('SIGKILL');
  });

  async function dumpWithInfo(): Promise<DiagTable> {
    const table = new DiagTable();
    const visit = (words: Uint32Array, view: DataView, at: number, end: number) => table.append(words, view, at, end);
    expect(await dumpSockets(transport, { states: ALL_STATES }, visit)).toBeUndefined();
    const rows = Array.from({ length: table.count }, (_, row) => row);
    expect(await fetchInfo(transport, table, rows)).toBeUndefined();
    return table;
  }

  it('are what ss shows, socket by socket', async () => {
    const table = await dumpWithInfo();
    const expected = socketsOfSs(child.pid!);
    expect(table.count).toBe(expected.size);
    for (let row = 0; row < table.count; row++) {
      const cookie = table.cookie(row).toString(16);
      const { info: _, ...socket } = expected.get(cookie) ?? { info: '' };
      expect([cookie, described(table, row)]).toEqual([cookie, socket]);
    }
  });

  function described(table: DiagTable, row: Row): Omit<SsSocket, 'info'> {
    return {
      state: stateName(table.state(row)),
      queues: `${table.receiveQueue(row)} ${table.sendQueue(row)}`,
      local: endpoint(table.localAddress(row), table.localPort(row)),
      remote: endpoint(table.remoteAddress(row), table.remotePort(row)),
      timer: table.timer(row),
      inode: table.inode(row),
    };
  }

  it('have the TCP_INFO that ss shows', async () => {
    const table = await dumpWithInfo();
    const expected = socketsOfSs(child.pid!);
    let compared = 0;
    for (let row = 0; row < table.count; row++) {
      const info = table.info(row);
      const text = expected.get(table.cookie(row).toString(16))?.info ?? '';
      const [, rto] = /\brto:([\d.]+)/.exec(text) ?? [];
      const [, rtt, variance] = /\brtt:([\d.]+)\/([\d.]+)/.exec(text) ?? [];
      if (rto === undefined || rtt === undefined || info === undefined) continue;
      compared++;
      expect([row, info.rtoMs, info.rttUs / 1000, info.rttVarianceUs / 1000]).toEqual([row, +rto, +rtt, +variance]);
    }
    expect(compared).toBeGreaterThan(5);
  });

  it('tell their options through a duplicate of the descriptor, and only under their own cookie', async () => {
    const table = await dumpWithInfo();
    // unshare(1) without --fork becomes the program itself, so its pid is the holder's.
    const pid = child.pid!;
    const holders = execFileSync('nsenter', ['-t', String(pid), '-n', 'ss', '-tanpeH', '-O'], { encoding: 'utf8' });
    const [, fd, cookie] = /ESTAB.*fd=(\d+)\).*\bsk:([0-9a-f]+)/.exec(holders) ?? [];
    expect(table.count).toBeGreaterThan(0);
    expect(cookieOfDescriptor(libc, pid, Number(fd))).toBe(BigInt(`0x${cookie}`));
    expect(readSocketOptions(libc, pid, Number(fd), BigInt(`0x${cookie}`))).toMatchObject({
      userTimeoutMs: 0,
      keepalive: false,
      keepaliveIdleSeconds: 7200,
      keepaliveIntervalSeconds: 75,
      keepaliveProbes: 9,
      synCount: 6,
    });
    expect(readSocketOptions(libc, pid, Number(fd), 1n)).toBeUndefined();
  });

  it('let SOCK_DESTROY be probed without harm', async () => {
    const before = socketsOfSs(child.pid!).size;
    expect(await probeSockDestroy(transport)).toMatchObject({ id: 'sock-destroy', available: true });
    expect(socketsOfSs(child.pid!).size).toBe(before);
  });
});
