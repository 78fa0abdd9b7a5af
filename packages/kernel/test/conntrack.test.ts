import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ConntrackEntry } from '@lastack/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  deleteConntrack,
  findConntrack,
  KernelError,
  listConntrack,
  loadLibc,
  NetlinkProtocol,
  type NetlinkTransport,
  openNetlink,
  readConntrackCount,
  withNamespace,
} from '../src/mod.ts';
import { encodeConntrackDump } from '../src/wire/conntrack.ts';
import { stopChild } from './fixtures/proc/child.ts';
import { MAY_MAKE_NAMESPACES, makeNamespace, type TestNamespace } from './fixtures/proc/namespace.ts';
import { scriptedTransport } from './support/scripted_transport.ts';

const RULES = `
table inet t {
  chain sent { type filter hook output priority -300; tcp dport 8081 ct zone set 5; }
  chain arrived { type filter hook prerouting priority -300; tcp dport 8081 ct zone set 5; tcp sport 8081 ct zone set 5; }
  chain answered { type filter hook output priority -301; tcp sport 8081 ct zone set 5; }
  chain marking { type filter hook output priority 0; ct state established tcp dport 8082 ct mark set 42; }
  chain translated { type nat hook output priority -100; ip daddr 127.0.0.9 tcp dport 80 dnat ip to 127.0.0.1:8080; }
}
`;

/** Connections in many states, held until the input closes; a separate program, so that Node's own rules do not apply. */
const SOCKETS = `
import socket, sys, time
held = []
def pair(address, port, family=socket.AF_INET, to=None):
    listener = socket.socket(family); listener.setsockopt(1, 2, 1); listener.bind((address, port)); listener.listen()
    client = socket.socket(family); client.connect(to or (address, port)); server, _ = listener.accept()
    client.send(b'a'); server.recv(9); server.send(b'b'); client.recv(9)
    held.extend([client, server]); listener.close()
    return client, server
pair('127.0.0.1', 8080)
pair('127.0.0.1', 8081)
pair('127.0.0.1', 8082)
pair('::1', 8083, socket.AF_INET6)
pair('127.0.0.1', 8084)[0].shutdown(1)
client, server = pair('::1', 8085, socket.AF_INET6); client.close(); server.close()
pair('127.0.0.1', 8080, to=('127.0.0.9', 80))
udp = socket.socket(type=socket.SOCK_DGRAM); udp.sendto(b'x', ('127.0.0.1', 9)); held.append(udp)
time.sleep(0.3)
print('ready', flush=True)
sys.stdin.read()
`;

const ORACLE = ['conntrack', '-L', '-p', 'tcp', '-o', 'extended,id'];
const QUIET = ['ignore', 'pipe', 'ignore'] as const;

/** One line of `conntrack -L -o extended,id`, the oracle. */
function entryOfLine(line: string): ConntrackEntry {
  const words = line.trim().split(/\s+/);
  const all = (name: string) => words.filter((word) => word.startsWith(`${name}=`)).map((word) => word.split('=')[1]);
  const tuple = (at: number) => ({
    source: { address: all('src')[at], port: Number(all('sport')[at]) },
    destination: { address: all('dst')[at], port: Number(all('dport')[at]) },
  });
  const number = (name: string) => (all(name).length > 0 ? Number(all(name)[0]) : undefined);
  return {
    family: words[0] === 'ipv4' ? 4 : 6,
    original: tuple(0),
    reply: tuple(1),
    state: words[5],
    timeoutMs: Number(words[4]) * 1000,
    id: number('id'),
    zone: number('zone') ?? 0,
    mark: number('mark'),
    status: line.includes('[ASSURED]') ? 4 : 0,
  };
}

const byId = (one: ConntrackEntry, other: ConntrackEntry) => (one.id ?? 0) - (other.id ?? 0);
const comparable = (entry: ConntrackEntry) => ({ ...entry, timeoutMs: undefined, status: entry.status & 4 });

describe.runIf(MAY_MAKE_NAMESPACES)('connection tracking of a real namespace', () => {
  let namespace: TestNamespace;
  let program: ChildProcess;
  let transport: NetlinkTransport;

  beforeAll(async () => {
    namespace = await makeNamespace();
    namespace.run('ip', 'link', 'set', 'lo', 'up');
    namespace.run('nft', RULES);
    const argv = [`--net=${namespace.path}`, 'python3', '-c', SOCKETS];
    program = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(program.stdout!, 'data');
    const libc = loadLibc();
    const target = { path: namespace.path, label: 'test' };
    const opened = withNamespace(target, libc, () => openNetlink(libc, NetlinkProtocol.NETFILTER));
    if (!opened.ok) throw new Error(opened.note.because);
    transport = opened.value;
  });

  afterAll(async () => {
    transport?.close();
    await stopChild(program);
    await namespace.remove();
  });

  const shown = () => {
    const lines = ['ipv4', 'ipv6'].flatMap((family) =>
      // It counts on its standard error what it shows.
      execFileSync('nsenter', [`--net=${namespace.path}`, ...ORACLE, '-f', family], {
        encoding: 'utf8',
        stdio: [...QUIET],
      })
        .trim()
        .split('\n'),
    );
    return lines.filter((line) => line !== '').map(entryOfLine);
  };

  it('reads what the conntrack program shows', async () => {
    const { entries, incomplete } = await listConntrack(transport);
    const oracle = shown();
    expect(incomplete).toBeUndefined();
    expect(entries.sort(byId).map(comparable)).toEqual(oracle.sort(byId).map(comparable));
    expect(new Set(entries.map(({ state }) => state))).toEqual(new Set(['ESTABLISHED', 'CLOSE_WAIT', 'TIME_WAIT']));
    expect(new Set(entries.map(({ zone }) => zone))).toEqual(new Set([0, 5]));
    expect(entries.find(({ original }) => original.destination.port === 8082)?.mark).toBe(42);
    const translated = entries.find(({ original }) => original.destination.port === 80);
    expect(translated?.reply.source).toEqual({ address: '127.0.0.1', port: 8080 });
    for (const [index, { timeoutMs = 0 }] of entries.entries()) {
      expect(Math.abs(timeoutMs - (oracle[index].timeoutMs ?? 0))).toBeLessThanOrEqual(5000);
    }
  });

  it('finds and deletes exactly the entry meant', async () => {
    const { entries } = await listConntrack(transport);
    for (const port of [8081, 8083, 80]) {
      const before = shown();
      const entry = entries.find(({ original }) => original.destination.port === port)!;
      const selector = { tuple: entry.original, id: entry.id, zone: entry.zone };
      const other = { ...selector, id: (entry.id ?? 0) ^ 1 };
      expect(await findConntrack(transport, selector)).toMatchObject({ id: entry.id, zone: entry.zone });
      expect(await findConntrack(transport, other)).toBeUndefined();
      expect(await deleteConntrack(transport, other)).toBe(false);
      expect(shown()).toHaveLength(before.length);
      expect(await deleteConntrack(transport, selector)).toBe(true);
      expect(await deleteConntrack(transport, selector)).toBe(false);
      expect(await findConntrack(transport, selector)).toBeUndefined();
      const gone = before.filter(({ id }) => !shown().some((left) => left.id === id));
      expect(gone.map(({ id }) => id)).toEqual([entry.id]);
    }
  });

  it('names the right zone only', async () => {
    const { entries } = await listConntrack(transport);
    const entry = entries.find(({ original, zone }) => original.destination.port === 8080 && zone === 0)!;
    expect(await deleteConntrack(transport, { tuple: entry.original, id: undefined, zone: 7 })).toBe(false);
    expect(shown().some(({ id }) => id === entry.id)).toBe(true);
  });

  it('counts the entries of the namespace', () => {
    const libc = loadLibc();
    const counted = withNamespace({ path: namespace.path, label: 'test' }, libc, () => ({
      count: readConntrackCount({ procRoot: '/proc' }),
    }));
    const count = counted.ok ? counted.value.count : undefined;
    // And one entry of UDP, which the list leaves out.
    expect(count).toBe(shown().length + 1);
  });
});

describe('replies that are not as they should be', () => {
  const message = (type: number, body: number[], sequence = 1) => {
    const bytes = new Uint8Array(16 + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint16(4, type, true);
    view.setUint32(8, sequence, true);
    bytes.set(body, 16);
    return bytes;
  };
  const errno = (value: number) =>
    message(2, [...new Uint8Array(new Int32Array([-value]).buffer), ...Array(16).fill(0)]);

  it('a refusal names the errno and what to do', async () => {
    await expect(listConntrack(scriptedTransport([errno(1)]))).rejects.toMatchObject({
      code: 'EPERM',
      todo: expect.stringContaining('CAP_NET_ADMIN'),
    });
    await expect(listConntrack(scriptedTransport([errno(93)]))).rejects.toMatchObject({
      code: 'EPROTONOSUPPORT',
      todo: expect.stringContaining('modprobe nf_conntrack_netlink'),
    });
  });

  it('an overflow and a change during the dump are told', async () => {
    const interrupted = message(3, [0, 0, 0, 0]);
    new DataView(interrupted.buffer).setUint16(6, 0x10, true);
    const lost = [new KernelError('receiving', 105), message(3, [0, 0, 0, 0])];
    expect(await listConntrack(scriptedTransport(lost))).toEqual({
      entries: [],
      incomplete: expect.stringContaining('ENOBUFS'),
    });
    expect((await listConntrack(scriptedTransport([interrupted]))).incomplete).toContain('changed during the dump');
  });

  it('nonsense is an error of its own', async () => {
    for (const bytes of [new Uint8Array(7), message(0x100, [2, 0, 0, 0]), message(0x100, [2])]) {
      await expect(listConntrack(scriptedTransport([bytes]))).rejects.toMatchObject({ code: 'EBADMSG' });
    }
    const strangers = Array.from({ length: 1001 }, () => message(3, [0, 0, 0, 0], 77));
    await expect(listConntrack(scriptedTransport(strangers))).rejects.toThrow('unrelated');
  });

  it('the dump changes nothing: it is a request of type GET', () => {
    expect(encodeConntrackDump(1)[4]).toBe(1);
  });
});
