import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Note } from '@lastack/core';
import { afterEach, describe, expect, it } from 'vitest';
import { NamespaceReturnError, withNamespace } from '../src/netns/enter.ts';
import { listNamespaces, namespaceInode } from '../src/netns/list.ts';
import { readCounters } from '../src/procfs/counters.ts';
import { readInterfaces } from '../src/procfs/interfaces.ts';
import { readSockstat } from '../src/procfs/sockstat.ts';
import { loadLibc } from '../src/sys/libc.ts';
import { readSettings } from '../src/sysctl.ts';
import { MAY_MAKE_NAMESPACES, makeNamespace } from './fixtures/proc/namespace.ts';
import { type FakeProc, fakeProc } from './fixtures/proc/tree.ts';

const OWN = '/proc/thread-self/ns/net';
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function tree(...given: Parameters<typeof fakeProc>): FakeProc {
  const proc = fakeProc(...given);
  cleanups.push(proc.remove);
  return proc;
}

function own({ root }: FakeProc, inode: number): void {
  mkdirSync(`${root}/thread-self/ns`, { recursive: true });
  symlinkSync(`net:[${inode}]`, `${root}/thread-self/ns/net`);
}

const openDescriptors = () => readdirSync('/proc/self/fd').length;

describe('namespaces of a made-up /proc', () => {
  const processes = {
    1: { netns: 4000 },
    2: { netns: 4000, kernelThread: true, comm: 'kthreadd' },
    50: { netns: 4001, cgroup: '0::/system.slice/web.service\n' },
    51: { netns: 4001, cgroup: '0::/system.slice/other.service\n' },
    60: { netns: 4002 },
    70: { netns: 4003, cgroup: '0::/system.slice/web.service\n' },
  };

  it('labels each by host, unit of its lowest process, or number, and tells equal labels apart', () => {
    const proc = tree(processes);
    own(proc, 4000);
    const list = listNamespaces({
      procRoot: proc.root,
      namedRoots: ['/nonexistent'],
      onNote: () => expect.fail('note'),
    });
    expect(list).toEqual([
      { inode: 4000, label: 'host', path: `${proc.root}/thread-self/ns/net` },
      { inode: 4001, label: 'web.service/netns-4001', path: `${proc.root}/50/ns/net` },
      { inode: 4002, label: 'netns-4002', path: `${proc.root}/60/ns/net` },
      { inode: 4003, label: 'web.service/netns-4003', path: `${proc.root}/70/ns/net` },
    ]);
  });

  it('knows the host by its kernel threads where process 1 is closed to us', () => {
    const proc = tree({ ...processes, 1: {} });
    own(proc, 4001);
    const list = listNamespaces({ procRoot: proc.root, namedRoots: [], onNote: () => undefined });
    expect(list[0]).toMatchObject({ inode: 4000, label: 'host' });
  });

  it('calls its own `self` where the host cannot be told', () => {
    const proc = tree({ ...processes, 1: {}, 2: { netns: 4003, comm: 'kthreadd' } });
    own(proc, 4001);
    const list = listNamespaces({ procRoot: proc.root, namedRoots: [], onNote: () => undefined });
    expect(list.map(({ label }) => label)).toEqual(['self', 'netns-4003', 'netns-4002']);
  });

  it('knows its own as the host by what only the first namespace shows', () => {
    const proc = tree({ ...processes, 1: {}, 2: { netns: 4003, comm: 'kthreadd' } });
    own(proc, 4001);
    mkdirSync(`${proc.root}/sys/net/ipv4`, { recursive: true });
    writeFileSync(`${proc.root}/sys/net/ipv4/tcp_max_orphans`, '131072\n');
    const list = listNamespaces({ procRoot: proc.root, namedRoots: [], onNote: () => undefined });
    expect(list[0]).toMatchObject({ inode: 4001, label: 'host' });
  });

  it('adds named ones without a process, under their names', () => {
    const proc = tree(processes);
    own(proc, 4000);
    const named = `${proc.root}/run-netns`;
    mkdirSync(named);
    writeFileSync(`${named}/blue\u001b`, '');
    const inode = statSync(`${named}/blue\u001b`).ino;
    const list = listNamespaces({ procRoot: proc.root, namedRoots: [named], onNote: () => undefined });
    expect(list).toContainEqual({ inode, label: 'blue\\x1b', path: `${named}/blue\u001b` });
  });
});

describe('entering namespaces', () => {
  const libc = loadLibc();
  const refusing = (errno: number) => ({ setns: () => -1, errno: () => errno });

  it('gives a note for one that vanished or may not be entered, and leaves no descriptor open', () => {
    const before = openDescriptors();
    const gone = withNamespace({ path: '/proc/0/ns/net', label: 'blue' }, libc, () => 1);
    expect(gone).toMatchObject({ ok: false, note: { because: 'it vanished meanwhile', incomplete: true } });
    const closed = withNamespace({ path: '/proc/self/ns/uts', label: 'blue' }, refusing(1), () => 1);
    expect(closed).toMatchObject({ ok: false, note: { because: 'permission denied' } });
    const wrong = withNamespace({ path: '/proc/self/ns/uts', label: 'blue' }, libc, () => 1);
    expect(wrong).toMatchObject({ ok: false, note: { what: 'network namespace blue not read', because: 'EINVAL' } });
    expect(openDescriptors()).toBe(before);
  });

  it('does not move for the namespace it is in', () => {
    expect(withNamespace({ path: OWN, label: 'host' }, refusing(1), () => 7)).toEqual({ ok: true, value: 7 });
  });

  it('throws when the way back fails, whatever the work did', () => {
    const oneWay = () => {
      let calls = 0;
      return { setns: () => (calls++ === 0 ? 0 : -1), errno: () => 24 };
    };
    const target = { path: '/proc/self/ns/uts', label: 'blue' };
    expect(() => withNamespace(target, oneWay(), () => 1)).toThrow(NamespaceReturnError);
    const failing = () => {
      throw new Error('work');
    };
    expect(() => withNamespace(target, oneWay(), failing)).toThrow(NamespaceReturnError);
  });

  it.runIf(MAY_MAKE_NAMESPACES)('reads another namespace and comes back, also from an exception', async () => {
    const space = await makeNamespace();
    cleanups.push(space.remove);
    space.run('sysctl', '-qw', 'net.ipv4.tcp_retries2=4', 'net.ipv4.ip_local_port_range=20000 20100');
    space.run('ip', 'link', 'add', 'alpha', 'type', 'veth', 'peer', 'name', 'beta');
    const home = namespaceInode(OWN);
    const target = { path: space.path, label: 'test' };
    const seen = withNamespace(target, libc, () => ({
      inode: namespaceInode(OWN),
      settings: readSettings({ procRoot: '/proc' }),
      devices: readInterfaces({ procRoot: '/proc' }).map(({ device }) => device),
      counters: readCounters({ procRoot: '/proc' }),
      sockstat: readSockstat({ procRoot: '/proc' }),
    }));
    expect(namespaceInode(OWN)).toBe(home);
    if (!seen.ok) return expect.fail(seen.note.because);
    expect(seen.value.inode).toBe(space.inode);
    expect(seen.value.settings).toMatchObject({
      tcp_retries2: 4,
      ip_local_port_range_low: 20_000,
      ip_local_port_range_high: 20_100,
    });
    expect(seen.value.devices.sort()).toEqual(['alpha', 'beta', 'lo']);
    expect(seen.value.sockstat).toMatchObject({ 'TCP.inuse': 0, 'TCP.tw': 0 });
    expect(seen.value.counters.get('Tcp.ActiveOpens')).toBe(0);
    expect(readSettings({ procRoot: '/proc' }).tcp_retries2).not.toBe(4);
    const failing = () => {
      throw new TypeError('work');
    };
    expect(() => withNamespace(target, libc, failing)).toThrow(TypeError);
    expect(namespaceInode(OWN)).toBe(home);
  });

  it.runIf(MAY_MAKE_NAMESPACES)('lists a namespace that a process made, and its name when it has one', async () => {
    const space = await makeNamespace();
    cleanups.push(space.remove);
    const notes: Note[] = [];
    const query = { procRoot: '/proc', namedRoots: ['/run/netns'], onNote: (note: Note) => notes.push(note) };
    expect(listNamespaces(query)).toContainEqual(expect.objectContaining({ inode: space.inode, path: space.path }));
    expect(listNamespaces(query).filter(({ label }) => label === 'host' || label === 'self')).toHaveLength(1);
    const name = `lastack-${space.pid}`;
    space.run('ip', 'netns', 'attach', name, String(space.pid));
    cleanups.push(() => space.run('ip', 'netns', 'delete', name));
    expect(listNamespaces(query)).toContainEqual({ inode: space.inode, label: name, path: `/run/netns/${name}` });
    for (const note of notes) expect(note.incomplete).toBe(true);
  });
});
