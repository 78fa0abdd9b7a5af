import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Note } from '@lastack/core';
import { afterEach, describe, expect, it } from 'vitest';
import { type DescriptorScan, scanWithFs, scanWithSyscalls } from '../src/procfs/descriptors.ts';
import { lastingOwners } from '../src/procfs/lasting_owners.ts';
import { OwnerSearch } from '../src/procfs/owner_search.ts';
import { findOwners } from '../src/procfs/owners.ts';
import { directoryCalls } from './fixtures/proc/calls.ts';
import { eventually, startBlocked, stopChild } from './fixtures/proc/child.ts';
import { type FakeProc, fakeProc } from './fixtures/proc/tree.ts';

const ID = '0123456789abcdef'.repeat(4);
const fail = (code: string): never => {
  throw Object.assign(new Error(code), { code });
};
const noNote = (note: Note) => expect.fail(`unexpected note: ${note.what}`);

const SCANS: readonly (readonly [string, DescriptorScan])[] = [
  ['Node functions', scanWithFs],
  ['system calls', scanWithSyscalls(directoryCalls())],
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function tree(...given: Parameters<typeof fakeProc>): FakeProc {
  const proc = fakeProc(...given);
  cleanups.push(proc.remove);
  return proc;
}

async function listening(): Promise<{ server: Server; fd: number; inode: number; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const inode = Number(readlinkSync(`/proc/self/fd/${fd}`).slice('socket:['.length, -1));
  return { server, fd, inode, port: (server.address() as { port: number }).port };
}

describe('owners in a made-up /proc', () => {
  const processes = {
    1: { comm: 'systemd', fds: { 0: '/dev/null' } },
    20: {
      comm: 'nginx',
      cgroup: '0::/system.slice/nginx.service\n',
      fds: { 3: 'socket:[100]', 4: 'anon_inode:[eventpoll]', 7: 'socket:[101]', 9: 'pipe:[100]' },
    },
    21: {
      comm: 'nginx',
      cgroup: '0::/system.slice/nginx.service\n',
      fds: { 3: 'socket:[100]', 5: '/tmp/socket:[101]' },
    },
    30: { comm: 'evil\u001b[31m', cgroup: `0::/system.slice/docker-${ID}.scope\n`, fds: { 12: 'socket:[102]' } },
  };

  it.each(SCANS)('lists every holder, only of the inodes asked for, with %s', (_, scan) => {
    const { root } = tree(processes);
    const epolls: number[][] = [];
    const owners = findOwners({
      procRoot: root,
      inodes: new Set([100, 102, 999]),
      scan,
      onNote: noNote,
      onEventpoll: (pid, fd) => epolls.push([pid, fd]),
    });
    expect(owners).toEqual(
      new Map([
        [
          100,
          [
            { pid: 20, command: 'nginx', fd: 3, unit: 'nginx.service' },
            { pid: 21, command: 'nginx', fd: 3, unit: 'nginx.service' },
          ],
        ],
        [102, [{ pid: 30, command: 'evil\\x1b[31m', fd: 12, container: 'docker:0123456789ab' }]],
      ]),
    );
    expect(epolls).toEqual([[20, 4]]);
  });

  it('says nothing of a process that vanished and of kernel threads, and counts those it may not read', () => {
    const { root } = tree({ ...processes, 40: { kernelThread: true, comm: 'kworker/0:1' }, 50: {}, 60: {}, 61: {} });
    const scan: DescriptorScan = (directory, visitor) => {
      const pid = directory.split('/').at(-2);
      if (pid === '50') fail('ENOENT');
      if (pid === '40' || pid === '60' || pid === '61') fail('EACCES');
      return scanWithFs(directory, visitor);
    };
    const notes: Note[] = [];
    const owners = findOwners({ procRoot: root, inodes: new Set([101]), scan, onNote: (note) => notes.push(note) });
    expect(owners.get(101)?.map(({ pid }) => pid)).toEqual([20]);
    expect(notes).toEqual([
      {
        what: 'sockets that 2 processes may hold not matched to an owner',
        because: 'permission denied',
        todo: 'run as root or with CAP_SYS_PTRACE',
        incomplete: false,
      },
    ]);
  });

  it('goes on where it paused, and gives the same', () => {
    const fds = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [at + 3, `socket:[${500 + at}]`]));
    const { root } = tree({ ...processes, 70: { comm: 'big', fds } });
    const search = new OwnerSearch({ procRoot: root, onNote: noNote });
    let pauses = 0;
    while (search.advance()) pauses++;
    expect(pauses).toBeGreaterThanOrEqual(2);
    const owners = search.finish();
    expect(owners.get(100)?.map(({ pid }) => pid)).toEqual([20, 21]);
    expect(owners.get(1099)).toEqual([{ pid: 70, command: 'big', fd: 602 }]);
    expect(owners.get(999_999)).toBeUndefined();
  });

  it('says so when /proc hides the processes of others', () => {
    const { root } = tree({ 20: { fds: {} } });
    const notes: Note[] = [];
    findOwners({ procRoot: root, inodes: new Set([1]), onNote: (note) => notes.push(note) });
    expect(notes.map(({ because }) => because)).toEqual(['/proc hides them (mount option hidepid)']);
  });

  it('reads nothing when nothing is asked for', () => {
    expect(findOwners({ procRoot: '/nonexistent', inodes: new Set(), onNote: noNote }).size).toBe(0);
  });
});

describe('the walk with system calls, when the kernel answers badly', () => {
  const calls = directoryCalls();
  const visitor = { socket: () => undefined, eventpoll: () => undefined };

  it('falls back to Node functions where a descriptor directory cannot be positioned', () => {
    const { root } = tree({ 20: { fds: { 3: 'socket:[100]' } } });
    const seen: number[] = [];
    const scan = scanWithSyscalls({ ...calls, seek: () => -29 });
    scan(`${root}/20/fd`, { ...visitor, socket: (_, inode) => seen.push(inode) });
    expect(seen).toEqual([100]);
  });

  it('reports links that may not be read, as the kernel does for a directory of a protected process', () => {
    const scan = scanWithSyscalls({ ...calls, readlinkat: () => -13 });
    expect(() => scan('/proc/self/fd', visitor)).toThrow(expect.objectContaining({ code: 'EACCES' }));
  });

  it('passes over descriptors that close meanwhile', () => {
    expect(scanWithSyscalls({ ...calls, readlinkat: () => -2 })('/proc/self/fd', visitor)).toBe(0);
  });

  it('ends when the kernel repeats itself', () => {
    const stuck = { ...calls, seek: (fd: number, offset: number) => calls.seek(fd, 0) + offset };
    expect(scanWithSyscalls(stuck)('/proc/self/fd', visitor)).toBeGreaterThan(0);
  });

  it('reports a directory that is not there', () => {
    expect(() => scanWithSyscalls(calls)('/proc/0/fd', visitor)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

describe('owners in the real /proc', () => {
  it.each(SCANS)('finds the same descriptors of this process as reading every link, with %s', async (_, scan) => {
    const servers = [];
    for (let count = 0; count < 40; count++) servers.push(await listening());
    // Holes of several sizes, so that guessing runs and listing both happen.
    for (const { server } of [servers[11], servers[12], servers[13], servers[30]]) server.close();
    const found = new Map<number, number>();
    scan('/proc/self/fd', { socket: (fd, inode) => found.set(fd, inode), eventpoll: () => undefined });
    const expected = new Map<number, number>();
    for (let fd = 0; fd < 1024; fd++) {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`);
        if (target.startsWith('socket:[')) expected.set(fd, Number.parseInt(target.slice(8), 10));
      } catch {}
    }
    expect(found).toEqual(expected);
    expect(found.size).toBeGreaterThanOrEqual(36);
  });

  it.each(SCANS)('lists a socket that a child shares twice, as ss does, with %s', async (_, scan) => {
    const { fd, inode, port } = await listening();
    const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    cleanups.push(() => stopChild(child));
    const owners = findOwners({ procRoot: '/proc', inodes: new Set([inode]), scan, onNote: () => undefined });
    const shown = execFileSync('ss', ['-Htlnp', `sport = :${port}`], { encoding: 'utf8' });
    const holders = [...shown.matchAll(/pid=(\d+),fd=(\d+)/g)].map(([, pid, at]) => [Number(pid), Number(at)]);
    const ours = owners.get(inode)?.map((owner) => [owner.pid, owner.fd]) ?? [];
    expect(ours.length).toBe(2);
    expect(ours.sort()).toEqual(holders.sort());
    expect(owners.get(inode)?.find(({ pid }) => pid === child.pid)).toMatchObject({ command: 'sleep', fd: 3 });
  });

  it('finds descriptors of a process whose first thread ended', async () => {
    const { child, pid, fds } = await startBlocked('exitMainThread');
    cleanups.push(() => stopChild(child));
    const inode = await eventually(() => {
      try {
        readlinkSync(`/proc/${pid}/fd/${fds[0]}`);
        return undefined;
      } catch {
        const survivor = readdirSync(`/proc/${pid}/task`).find((tid) => Number(tid) !== pid);
        return Number(readlinkSync(`/proc/${pid}/task/${survivor}/fd/${fds[0]}`).slice(8, -1));
      }
    });
    const owners = findOwners({ procRoot: '/proc', inodes: new Set([inode]), onNote: () => undefined });
    expect(owners.get(inode)).toMatchObject([{ pid, fd: fds[0] }]);
  });
});

describe('owners that last', () => {
  const processes = { 20: { fds: { 3: 'socket:[100]' } }, 21: { fds: { 3: 'socket:[100]', 4: 'socket:[101]' } } };
  const search = (root: string) => new OwnerSearch({ procRoot: root, onNote: () => undefined }).finish();
  const pidsOf = (owners: ReturnType<typeof search>, inode: number) => owners.get(inode)?.map(({ pid }) => pid);

  it('are all that hold the socket at both looks', () => {
    const { root } = tree(processes);
    expect(pidsOf(lastingOwners(root, search(root)), 100)).toEqual([20, 21]);
  });

  it('leave out who let go of it between the two looks, or holds something else by that number now', () => {
    const { root } = tree(processes);
    const found = search(root);
    rmSync(`${root}/21/fd/3`);
    expect(pidsOf(lastingOwners(root, found), 100)).toEqual([20]);
    symlinkSync('socket:[999]', `${root}/21/fd/3`);
    expect(pidsOf(lastingOwners(root, found), 100)).toEqual([20]);
  });

  it('keep a sole holder, and the last known ones of a socket that is being closed', () => {
    const { root } = tree(processes);
    const found = search(root);
    for (const link of ['20/fd/3', '21/fd/3', '21/fd/4']) rmSync(`${root}/${link}`);
    const lasting = lastingOwners(root, found);
    expect(pidsOf(lasting, 101)).toEqual([21]);
    expect(pidsOf(lasting, 100)).toEqual([20, 21]);
    expect(lasting.get(999)).toBeUndefined();
  });

  it('keep the survivor of a first thread that ended', () => {
    const { root } = tree(processes);
    const found = search(root);
    mkdirSync(`${root}/21/task/22/fd`, { recursive: true });
    symlinkSync('socket:[100]', `${root}/21/task/22/fd/3`);
    rmSync(`${root}/21/fd`, { recursive: true });
    expect(pidsOf(lastingOwners(root, found), 100)).toEqual([20, 21]);
  });

  it('are told from a child between fork and exec: here one that ended', async () => {
    const { fd, inode } = await listening();
    const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    cleanups.push(() => stopChild(child));
    const found = search('/proc');
    expect(pidsOf(lastingOwners('/proc', found), inode)?.sort()).toEqual([process.pid, child.pid].sort());
    await stopChild(child);
    expect(pidsOf(lastingOwners('/proc', found), inode)).toEqual([process.pid]);
  });
});
