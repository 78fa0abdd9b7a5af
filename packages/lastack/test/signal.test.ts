import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClearTarget, type Row, TcpState, targetOf } from '@lastack/core';
import { loadLibc } from '@lastack/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Effects } from '../src/effects.ts';
import { applyContext } from '../src/engine/apply_context.ts';
import { closeNamespaces, observe } from '../src/engine/observation.ts';
import { fetchOwners } from '../src/engine/second_pass.ts';
import { openJournal } from '../src/journal/open.ts';
import type { ApplyContext } from '../src/remedies/remedy.ts';
import { makeRestart } from '../src/remedies/restart/mod.ts';
import { type HolderSummary, holderSummary, holderText } from '../src/remedies/signal/holder_summary.ts';
import { makeSignal } from '../src/remedies/signal/mod.ts';
import { protectedProcesses } from '../src/remedies/signal/protected.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';

const SKIP = missingNamespaces() !== undefined;
const ABILITIES = { refusals: {}, destroyBreaksOrphans: false };
const SCRIPT = path.join(import.meta.dirname, 'support/holder.py');

let home: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'lastack-signal-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true });
});

interface HolderProcess {
  child: ChildProcess;
  serverPort: number;
  clientPort: number;
  pids: number[];
}

/** A real program in a network namespace of its own, or in this one. */
async function holder(options: string[] = [], where: 'own' | 'here' = 'own'): Promise<HolderProcess> {
  const argv = ['python3', SCRIPT, ...options, ...(where === 'own' ? ['up'] : [])];
  const [file, ...args] = where === 'own' ? ['unshare', '--net', ...argv] : argv;
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const { value } = await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next();
  const [serverPort, clientPort, ...pids] = String(value).split(' ').map(Number);
  return { child, serverPort, clientPort, pids };
}

interface Scene {
  context: ApplyContext;
  /** The socket in CLOSE_WAIT. */
  target: ClearTarget;
  summary: HolderSummary;
}

async function withScene(
  { child, pids }: HolderProcess,
  body: (scene: Scene) => Promise<void>,
  replaced: Partial<Effects> = {},
): Promise<void> {
  const effects = capturedEffects([], { env: { XDG_STATE_HOME: home }, ...replaced });
  const inode = statSync(`/proc/${child.pid}/ns/net`).ino;
  const observation = await observe(capturedEffects([]), [inode]);
  try {
    const [namespace] = observation.namespaces;
    const { table } = namespace;
    const rows = Array.from({ length: table.count }, (_, row): Row => row);
    fetchOwners(capturedEffects([]), observation, new Map([[namespace, rows]]));
    const row = rows.find((each) => table.state(each) === TcpState.CLOSE_WAIT)!;
    const target = targetOf(namespace, row, observation.owners.get(table.inode(row)) ?? []);
    const context = applyContext(effects, observation, openJournal(effects), new AbortController().signal, () => {});
    await body({ context, target, summary: holderSummary(capturedEffects([]), observation, pids[0]) });
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Makes the patience of some seconds pass in a fraction of one. */
const HASTE = 25;
const hasty: Partial<Effects> = {
  monotonicMs: () => performance.now() * HASTE,
  sleep: (ms) => sleep(ms / HASTE),
};

describe.skipIf(SKIP)('signal', () => {
  it('ends the program that holds the socket, and tells what else that held', async () => {
    const program = await holder();
    await withScene(program, async ({ context, target, summary }) => {
      expect(target.owners).toEqual([expect.objectContaining({ pid: program.pids[0] })]);
      expect(summary).toEqual({ pid: program.pids[0], connections: 2, listeners: 1 });
      expect(holderText(summary, 1)).toBe('it holds 2 connections and 1 listener, of which 1 is meant');
      const signal = makeSignal({ signal: 'TERM' });
      expect(signal.refuse(target, ABILITIES)).toBeUndefined();
      expect(signal.preview(target)).toMatchObject({ peerSees: 'a FIN', programSees: 'SIGTERM', lostBytes: 0 });
      const ended = once(program.child, 'exit');
      expect(await signal.apply(context, [target, target])).toEqual([{ outcome: 'applied' }, { outcome: 'applied' }]);
      expect(await ended).toEqual([null, 'SIGTERM']);
      const [begin, end] = context.journal.read().entries;
      expect(begin).toMatchObject({ action: 'signal', data: { pid: program.pids[0], signal: 'TERM' } });
      expect(end).toMatchObject({ phase: 'end', of: begin.id });
      expect(await signal.apply(context, [target])).not.toMatchObject([{ outcome: 'applied' }]);
    });
  });

  it('says when a program ignores it; KILL it cannot ignore', async () => {
    const program = await holder(['ignore']);
    await withScene(
      program,
      async ({ context, target }) => {
        const [hup] = await makeSignal({ signal: 'HUP' }).apply(context, [target]);
        expect(hup).toMatchObject({
          outcome: 'applied',
          remains: expect.stringMatching(/still holds it 2 s after SIGHUP/),
        });
        const [term] = await makeSignal({ signal: 'TERM' }).apply(context, [target]);
        expect(term).toMatchObject({ remains: expect.stringMatching(/still holds it 5 s after SIGTERM/) });
        expect(isRunning(program.pids[0])).toBe(true);
        const ended = once(program.child, 'exit');
        await makeSignal({ signal: 'KILL' }).apply(context, [target]);
        expect(await ended).toEqual([null, 'SIGKILL']);
      },
      hasty,
    );
  });

  it('reaches every process that holds the socket', async () => {
    const program = await holder(['fork']);
    await withScene(program, async ({ context, target }) => {
      expect(target.owners.map(({ pid }) => pid).sort()).toEqual([...program.pids].sort());
      expect(await makeSignal({ signal: 'TERM' }).apply(context, [target])).toEqual([{ outcome: 'applied' }]);
      expect(program.pids.filter(isRunning)).toEqual([]);
    });
  });

  it('never hits a later process of the same number', async () => {
    const [program, bystander] = [await holder(), await holder()];
    await withScene(program, async ({ context, target }) => {
      // As it looks when the holder ended and its number was given out again.
      const [owner] = target.owners;
      const stale = { ...target, owners: [{ ...owner, pid: bystander.pids[0] }] };
      const [attempt] = await makeSignal({ signal: 'KILL' }).apply(context, [stale]);
      expect(attempt).toMatchObject({ outcome: 'unsupported', because: expect.stringMatching(/it was not signalled/) });
      await sleep(100);
      expect([program, bystander].map(({ pids }) => isRunning(pids[0]))).toEqual([true, true]);
      expect(context.journal.read().entries).toEqual([]);
    });
  });

  it('never hits process 1, itself, its parents, nor what carries the login', async () => {
    const program = await holder([], 'here');
    const { serverPort, clientPort, pids } = program;
    // Should the guards ever fail, this is what must not reach the kernel.
    const sent: number[] = [];
    const libc = {
      ...loadLibc(),
      pidfdSendSignal: (_pidfd: number, signal: number) => {
        sent.push(signal);
        return 0;
      },
    };
    const login = `127.0.0.1 ${clientPort} 127.0.0.1 ${serverPort}`;
    await withScene(
      program,
      async ({ context, target: found }) => {
        const reasons = await protectedProcesses(context.effects);
        expect(reasons.get(1)).toMatch(/first process/);
        expect(reasons.get(process.pid)).toMatch(/itself/);
        expect(reasons.get(process.ppid)).toMatch(/runs under it/);
        expect(reasons.get(pids[0])).toMatch(/login/);
        const target = { ...found, owners: [{ pid: pids[0], command: 'python3', fd: 5 }] };
        for (const pid of [1, process.pid, process.ppid, pids[0]]) {
          const owned = { ...target, owners: [{ pid, command: 'x', fd: 5 }] };
          const [attempt] = await makeSignal({ signal: 'KILL' }).apply(context, [owned]);
          expect(attempt).toMatchObject({ outcome: 'not-permitted', because: expect.stringMatching(/is left alone/) });
        }
        expect(sent).toEqual([]);
        expect(context.journal.read().entries).toEqual([]);
        const byFirst = { ...target, owners: [{ pid: 1, command: 'init', fd: 5 }] };
        expect(makeSignal({ signal: 'TERM' }).refuse(byFirst, ABILITIES)).toMatchObject({ outcome: 'not-permitted' });
      },
      { env: { XDG_STATE_HOME: home, SSH_CONNECTION: login }, libc: () => libc },
    );
  });

  it('signals nobody where one of the holders may not be signalled', async () => {
    const program = await holder(['fork']);
    const real = loadLibc();
    let refusing = 0;
    // The kernel's answer to another user, for the second process only.
    const libc = {
      ...real,
      pidfdSendSignal: (pidfd: number, signal: number) => (++refusing === 2 ? -1 : real.pidfdSendSignal(pidfd, signal)),
      errno: () => (refusing === 2 ? 1 : real.errno()),
    };
    await withScene(
      program,
      async ({ context, target }) => {
        const [attempt] = await makeSignal({ signal: 'TERM' }).apply(context, [target]);
        expect(attempt).toMatchObject({ outcome: 'not-permitted', todo: 'run as root' });
        expect(program.pids.map(isRunning)).toEqual([true, true]);
      },
      { libc: () => libc },
    );
    process.kill(program.pids[1], 'SIGKILL');
  });
});

describe.skipIf(SKIP)('restart', () => {
  const restart = makeRestart({ bootedMark: '/' });

  /** A systemctl that knows one unit, and writes down what it was asked. */
  function fakeSystemctl(controlGroup: string, exitCode = 0): { PATH: string; asked(): string[] } {
    const log = path.join(home, 'asked');
    const script = [
      '#!/bin/sh',
      `printf '%s ' "$@" >>'${log}'; echo >>'${log}'`,
      'for word in "$@"; do last="$word"; done',
      `case "$*" in *show*) test "$last" = lab.service && printf 'LoadState=loaded\\nControlGroup=${controlGroup}\\n' ||`,
      "  printf 'LoadState=not-found\\nControlGroup=\\n';;",
      `*) echo 'Job for lab.service failed.' >&2; exit ${exitCode};; esac`,
    ].join('\n');
    writeFileSync(path.join(home, 'systemctl'), script);
    chmodSync(path.join(home, 'systemctl'), 0o755);
    const asked = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
    return { PATH: `${home}:/usr/bin:/bin`, asked };
  }

  /** /proc as far as control groups go: where these processes are said to run. */
  function fakeProc(groups: Record<number, string>): string {
    for (const [pid, group] of Object.entries(groups)) {
      mkdirSync(path.join(home, 'proc', pid), { recursive: true });
      writeFileSync(path.join(home, 'proc', pid, 'cgroup'), `0::${group}\n`);
    }
    return path.join(home, 'proc');
  }

  async function attemptOn(groups: (pid: number) => Record<number, string>, exitCode = 0, unit = 'lab.service') {
    const program = await holder();
    const { PATH, asked } = fakeSystemctl('/system.slice/lab.service', exitCode);
    let attempts: unknown;
    await withScene(
      program,
      async ({ context, target }) => {
        const owned = { ...target, owners: target.owners.map((owner) => ({ ...owner, unit })) };
        expect(restart.refuse(owned, ABILITIES)).toBeUndefined();
        attempts = await restart.apply(context, [owned, owned]);
      },
      { env: { PATH, XDG_STATE_HOME: home }, procRoot: fakeProc(groups(program.pids[0])) },
    );
    return { attempts: attempts as unknown[], asked: asked().map((line) => line.trim()) };
  }

  const inside = '/system.slice/lab.service/worker';

  it('restarts the unit once, with an argument vector', async () => {
    const { attempts, asked } = await attemptOn((pid) => ({ [pid]: inside }));
    expect(attempts).toEqual([{ outcome: 'applied' }, { outcome: 'applied' }]);
    expect(asked).toEqual([
      '--no-pager --no-ask-password show --property=LoadState --property=ControlGroup -- lab.service',
      '--no-pager --no-ask-password restart -- lab.service',
    ]);
  });

  it('says why systemd failed', async () => {
    const { attempts } = await attemptOn((pid) => ({ [pid]: inside }), 1);
    expect(attempts[0]).toMatchObject({
      outcome: 'unsupported',
      because: expect.stringMatching(/Job for lab.service failed/),
    });
  });

  it.each<[string, (pid: number) => Record<number, string>, string, object]>([
    [
      'lastack runs in',
      (pid) => ({ [pid]: inside, [process.pid]: inside }),
      'lab.service',
      { outcome: 'not-permitted' },
    ],
    ['another manager has', (pid) => ({ [pid]: '/user.slice/lab.service' }), 'lab.service', { outcome: 'unsupported' }],
    ['systemd does not know', (pid) => ({ [pid]: inside }), 'other.service', { outcome: 'unsupported' }],
  ])('leaves a unit alone that %s', async (_name, groups, unit, expected) => {
    const { attempts, asked } = await attemptOn(groups, 0, unit);
    expect(attempts[0]).toMatchObject(expected);
    expect(asked.join()).not.toMatch(/ restart /);
  });

  it('refuses what is no service, and where there is no systemd', async () => {
    const program = await holder();
    await withScene(program, async ({ context, target }) => {
      const owner = { pid: program.pids[0], command: 'python3', fd: 5 };
      const because = (overrides: object) =>
        restart.refuse({ ...target, owners: [{ ...owner, ...overrides }] }, ABILITIES)?.because;
      expect(because({})).toMatch(/belongs to no systemd unit/);
      expect(because({ unit: 'session-3.scope' })).toMatch(/which is no service/);
      expect(because({ container: 'docker:0123456789ab' })).toMatch(/runs in the container/);
      expect(because({ pid: 1, unit: 'init.service' })).toMatch(/process 1/);
      const absent = makeRestart({ bootedMark: path.join(home, 'absent') });
      expect(await absent.probe?.(context.effects)).toMatchObject({ because: 'systemd does not run here' });
      const owned = { ...target, owners: [{ ...owner, unit: 'lab.service' }] };
      const effects = { ...context.effects, env: { PATH: path.join(home, 'absent'), XDG_STATE_HOME: home } };
      const [attempt] = await restart.apply({ ...context, effects }, [owned]);
      expect(attempt).toMatchObject({ outcome: 'unsupported', because: 'systemctl is not installed' });
    });
  });
});
