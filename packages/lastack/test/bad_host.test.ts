import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Libc, loadLibc } from '@lastack/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examine } from '../src/cli/commands/doctor.ts';
import { runCommandLine } from '../src/cli/program.ts';
import type { Effects } from '../src/effects.ts';
import { reportJson } from '../src/report/report_json.ts';
import { expectNoStack, expectOneLine } from './support/assertions.ts';
import { COMMAND, ensureBuilt, lastack, type Outcome, outcomeOf, start } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces, missingOtherUsers } from './support/privileged.ts';

/** The whole program in this process, on a host with a fault. */
async function onHost(replaced: Partial<Effects>, argv: readonly string[]): Promise<Outcome> {
  const effects = capturedEffects(argv, replaced);
  const code = await runCommandLine(effects);
  return { code, ...effects.written };
}

const libcWith = (faults: Partial<Libc>): Partial<Effects> => {
  const faulty = { ...loadLibc(), ...faults };
  return { libc: () => faulty };
};

const LOOKING = [[], ['--json'], ['ls'], ['ls', '--json'], ['ls', '--all-netns'], ['ls', 'stuck'], ['why', ':1']];

describe('a kernel that offers no netlink socket for diagnosis', () => {
  const EPROTONOSUPPORT = 93;
  const EACCES = 13;
  it.each(LOOKING)('is said in one line, with what would help, and exit code 3: %j %j', async (...argv) => {
    const none = libcWith({ socket: () => -1, errno: () => EPROTONOSUPPORT });
    expectOneLine(await onHost(none, argv), 3, /\(EPROTONOSUPPORT\); load the kernel module .*modprobe tcp_diag/);
    const forbidden = libcWith({ socket: () => -1, errno: () => EACCES });
    expectOneLine(await onHost(forbidden, argv), 3, /\(EACCES\); allow AF_NETLINK sockets/);
  });

  it('leaves explain as it is', async () => {
    const none = libcWith({ socket: () => -1, errno: () => EPROTONOSUPPORT });
    expect(await onHost(none, ['explain', 'time-wait'])).toMatchObject({ code: 0, err: '' });
  });
});

describe('a host without /proc', () => {
  const procRoot = mkdtempSync(path.join(tmpdir(), 'lastack-no-proc-'));
  afterAll(() => rmSync(procRoot, { recursive: true }));

  it.each(LOOKING)('is never taken for an idle one: %j %j', async (...argv) => {
    expectOneLine(
      await onHost({ procRoot }, argv),
      3,
      /\/thread-self\/ns\/net cannot be read; mount it with: mount -t/,
    );
  });

  it('can still explain, without the values of this host', async () => {
    const { code, out, err } = await onHost({ procRoot }, ['explain', 'fin-wait-2']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('tcp_fin_timeout');
    expect(out).not.toMatch(/undefined|NaN/);
  });
});

const cannotUnshare = missingNamespaces() !== undefined;

describe.skipIf(cannotUnshare)('a network namespace', () => {
  const sleepers: ChildProcess[] = [];
  afterAll(() => {
    for (const sleeper of sleepers) sleeper.kill('SIGKILL');
  });

  /** A namespace that lives as long as one sleeping process. */
  async function namespace(): Promise<{ sleeper: ChildProcess; inode: number }> {
    const sleeper = spawn('unshare', ['--net', 'sleep', '120'], { stdio: 'ignore' });
    sleepers.push(sleeper);
    const own = readlinkSync('/proc/self/ns/net');
    for (let look = 0; look < 200; look++) {
      const link = readlinkSync(`/proc/${sleeper.pid}/ns/net`);
      if (link !== own) return { sleeper, inode: Number(/\d+/.exec(link)?.[0]) };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('unshare did not make a network namespace');
  }

  it.each([
    ['ENOENT', 2, 'it vanished meanwhile'],
    ['EINVAL', 22, 'EINVAL'],
    ['EPERM', 1, 'permission denied'],
  ])('that setns refuses with %s is a note, and the answer incomplete', async (_name, errno, because) => {
    const { inode } = await namespace();
    const refusing = libcWith({ setns: () => -1, errno: () => errno });
    const doctor = await onHost(refusing, ['--json']);
    expectNoStack(doctor);
    const report = JSON.parse(doctor.out);
    expect(report.complete).toBe(false);
    const note = { what: `network namespace netns-${inode} not read`, because, incomplete: true };
    expect(report.notes).toContainEqual(note);
    // 1 where the host of the test has something stuck.
    expect([1, 4]).toContain(doctor.code);
    const list = await onHost(refusing, ['ls', '--all-netns']);
    expectNoStack(list);
    expect(list.code).toBe(4);
    expect(list.err).toContain(`lastack: ${note.what}: ${because}\n`);
  });

  it('that vanishes between listing and entering is a note', async () => {
    const [first, second] = [await namespace(), await namespace()];
    const real = loadLibc();
    let entered = 0;
    const libc: Libc = {
      ...real,
      setns(fd, type) {
        // While one of the two is being entered, the other ends.
        if (++entered === 1) {
          const victim = currentTarget() === first.inode ? second : first;
          victim.sleeper.kill('SIGKILL');
          waitUntilGone(victim.sleeper.pid);
        }
        return real.setns(fd, type);
        function currentTarget(): number {
          return Number(/\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0]);
        }
      },
    };
    const effects = capturedEffects([], { libc: () => libc });
    const report = reportJson(await examine(effects, [first.inode, second.inode], 0));
    expect(report.namespaces).toHaveLength(1);
    expect(report.complete).toBe(false);
    expect(report.notes).toContainEqual(expect.objectContaining({ because: 'it vanished meanwhile' }));
  });

  it('that was gone before the listing is a note as well', async () => {
    const { sleeper, inode } = await namespace();
    sleeper.kill('SIGKILL');
    waitUntilGone(sleeper.pid);
    const report = reportJson(await examine(capturedEffects([]), [inode], 0));
    expect(report.complete).toBe(false);
    expect(report.notes).toContainEqual(expect.objectContaining({ what: `network namespace netns-${inode} not read` }));
  });

  it('that cannot be left again ends the program with one line', async () => {
    await namespace();
    const real = loadLibc();
    let entered = 0;
    // Neither call moves the thread: only the answers are those of a thread that cannot come back.
    const stranded = libcWith({
      setns: () => (entered++ === 0 ? 0 : -1),
      errno: () => (entered > 1 ? 1 : real.errno()),
    });
    expectOneLine(await onHost(stranded, []), 3, /returning to the own network namespace: setns: EPERM/);
  });

  it('of its own has nothing stuck: exit code 0, and an empty list is 1', async () => {
    ensureBuilt();
    const fresh = (args: string[]) => outcomeOf(start('unshare', ['--net', process.execPath, COMMAND, ...args]));
    const doctor = await fresh(['--own-netns', '--json']);
    expect(JSON.parse(doctor.out)).toMatchObject({ complete: true, socketsSeen: 0, findings: [] });
    expect(doctor.code).toBe(0);
    const list = await fresh(['ls', '--json']);
    expect(JSON.parse(list.out)).toMatchObject({ schema: 'lastack.sockets/1', sockets: [], complete: true });
    expect(list.code).toBe(1);
  });
});

/** A killed process keeps its namespace until it has quite ended; its parent need not have noticed. */
function waitUntilGone(pid: number | undefined): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let look = 0; look < 250; look++) {
    try {
      readlinkSync(`/proc/${pid}/ns/net`);
    } catch {
      return;
    }
    Atomics.wait(pause, 0, 0, 20);
  }
  throw new Error(`process ${pid} does not end`);
}

describe.skipIf(missingOtherUsers() !== undefined)('a user without any privilege', () => {
  const NOBODY = { uid: 65_534, gid: 65_534 };
  const asNobody = (args: readonly string[]) => lastack(args, NOBODY);

  beforeAll(async () => {
    ensureBuilt();
    const { code, err } = await asNobody(['--version']);
    if (code !== 0) throw new Error(`uid ${NOBODY.uid} cannot read the built command: ${err.slice(0, 200)}`);
  });

  it('gets a report that says what it lacks and why', async () => {
    const outcome = await asNobody(['--json']);
    expectNoStack(outcome);
    expect(outcome.err).toBe('');
    const report = JSON.parse(outcome.out);
    expect(report).toMatchObject({ schema: 'lastack.report/1', complete: false });
    expect([1, 4]).toContain(outcome.code);
    expect(report.notes).toContainEqual({
      what: expect.stringMatching(/^network namespace of \d+ process(es)? not known$/),
      because: 'permission denied',
      todo: 'run as root or with CAP_SYS_PTRACE',
      incomplete: true,
    });
    const missing = report.capabilities.filter(({ available }: { available: boolean }) => !available);
    expect(missing.length).toBeGreaterThan(0);
    for (const { todo } of missing) expect(todo).toMatch(/^(run as root|use a kernel)/);
  });

  it('gets a list, and the exit code 4 where namespaces are hidden', async () => {
    expect((await asNobody(['ls', '--json', 'state', 'listening', 'sport', '=', ':1'])).code).toBe(1);
    const all = await asNobody(['ls', '--all-netns']);
    expectNoStack(all);
    expect(all.code).toBe(4);
    expect(all.err).toMatch(/^lastack: network namespace of .* not known: permission denied; run as root/m);
  });

  it('is told when a process may not be looked at', async () => {
    expectOneLine(await asNobody(['why', `pid:${process.pid}`, 'fd:0']), 3, /permission denied|not permitted|EACCES/i);
  });
});

describe('advice', () => {
  it.skipIf(process.geteuid?.() !== 0)('to run as root is not given to root', async () => {
    const outcomes = [await onHost({}, []), await onHost({}, ['ls', '--all-netns']), await onHost({}, ['why', ':1'])];
    for (const { out, err } of outcomes) expect(out + err).not.toMatch(/run\s+as\s+root/);
  });
});
