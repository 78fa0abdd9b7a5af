import { readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_EPOLL_SETS, MAX_THREADS, readActivity } from '../src/procfs/activity.ts';
import { eventually, startBlocked, stopChild } from './fixtures/proc/child.ts';
import { type FakeProc, fakeProc } from './fixtures/proc/tree.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function tree(...given: Parameters<typeof fakeProc>): FakeProc {
  const proc = fakeProc(...given);
  cleanups.push(proc.remove);
  return proc;
}

const RECV = '45 0x7 0x7f0 0x10 0x0 0x0 0x0 0x7ffe 0x7f0a\n';

describe('activity of real processes', () => {
  it.each([
    ['recv', ['recvfrom']],
    ['accept', ['accept']],
    ['poll', ['poll', 'ppoll']],
    ['select', ['select', 'pselect6']],
  ])('names the call and the descriptors of a thread blocked in %s', async (call, names) => {
    const { child, pid, fds } = await startBlocked(call);
    cleanups.push(() => stopChild(child));
    const main = await eventually(() => {
      const { threads } = readActivity({ procRoot: '/proc', pid, arch: process.arch });
      const thread = threads.find(({ tid }) => tid === pid);
      return thread?.fds.length ? thread : undefined;
    });
    expect(names).toContain(main.syscall);
    expect(main.fds).toEqual(fds);
  });

  it('sees which descriptors the epoll sets of this very process watch', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const inode = Number(readlinkSync(`/proc/self/fd/${fd}`).slice('socket:['.length, -1));
    const query = { procRoot: '/proc', pid: process.pid, arch: process.arch };
    // The event loop registers a new descriptor when it next waits.
    await eventually(() => readActivity(query).epollFds.has(fd) || undefined);
    expect(readActivity({ ...query, inodeByFd: () => new Map([[fd, inode]]) }).epollFds.has(fd)).toBe(true);
    expect(readActivity({ ...query, inodeByFd: () => new Map([[fd, inode + 1]]) }).epollFds.has(fd)).toBe(false);
    expect(readActivity({ ...query, epollDescriptors: [] }).epollFds.size).toBe(0);
    const threads = readdirSync('/proc/self/task').map(Number);
    expect(readActivity(query).threads.map(({ tid }) => tid)).toEqual(threads);
    // The reader itself is on a processor while it reads.
    expect(readActivity(query).threads.find(({ tid }) => tid === process.pid)?.syscall).toMatch(/^(read|running)$/);
  });

  it('says that a process ended', () => {
    const activity = readActivity({ procRoot: '/proc', pid: 4_194_304 + 1, arch: 'x64' });
    expect(activity).toMatchObject({ threads: [], unreadable: 'the process ended' });
  });
});

describe('activity in a made-up /proc', () => {
  it('shows calls by number where their names are not known', () => {
    const { root } = tree({ 20: { fds: {} } }, { '20/task/20/comm': 'worker\n', '20/task/20/syscall': RECV });
    const seen = (arch: string) => readActivity({ procRoot: root, pid: 20, arch }).threads;
    expect(seen('x64')).toEqual([{ tid: 20, name: 'worker', syscall: 'recvfrom', fds: [7] }]);
    expect(seen('riscv64')).toEqual([{ tid: 20, name: 'worker', syscall: 'syscall 45', fds: [] }]);
  });

  it('does not read the numbers of a 32-bit program with the names of a 64-bit one', () => {
    const files = { '20/task/20/comm': 'old\n', '20/task/20/syscall': RECV, '20/exe': '\u007fELF\u0001' };
    const { root } = tree({ 20: { fds: {} } }, files);
    expect(readActivity({ procRoot: root, pid: 20, arch: 'x64' }).threads[0].syscall).toBe('syscall 45');
  });

  it('keeps what it saw when the memory or the calls cannot be read', () => {
    const poll = '7 0x1000 0x2 0xffffffff 0x0 0x0 0x0 0x1 0x2\n';
    const { root } = tree(
      { 20: { fds: {} } },
      { '20/task/20/comm': 'a\n', '20/task/20/syscall': poll, '20/task/21/comm': 'b\n' },
    );
    const activity = readActivity({ procRoot: root, pid: 20, arch: 'x64' });
    expect(activity.threads).toEqual([
      { tid: 20, name: 'a', syscall: 'poll', fds: [] },
      { tid: 21, name: 'b', fds: [] },
    ]);
    expect(activity.unreadable).toContain('the poll array could not be read');
  });

  it('stops at its bounds and says so', () => {
    const files: Record<string, string> = {};
    for (let tid = 100; tid <= 100 + MAX_THREADS; tid++) files[`100/task/${tid}/comm`] = 't\n';
    const epolls = Array.from({ length: MAX_EPOLL_SETS + 1 }, (_, fd) => [fd, 'anon_inode:[eventpoll]'] as const);
    for (const [fd] of epolls) files[`100/fdinfo/${fd}`] = `pos:\t0\ntfd: ${1000 + fd} events: 19 data: 0\n`;
    const { root } = tree({ 100: { fds: Object.fromEntries(epolls) } }, files);
    const { threads, epollFds, unreadable } = readActivity({ procRoot: root, pid: 100, arch: 'x64' });
    expect([threads.length, epollFds.size]).toEqual([MAX_THREADS, MAX_EPOLL_SETS]);
    expect(unreadable).toContain('only 256 of 257 threads');
    expect(unreadable).toContain('only 64 of 65 epoll sets');
  });
});
