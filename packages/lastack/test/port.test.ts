import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { loadLibc } from '@lastack/kernel';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../src/cli/program.ts';
import type { PortJson, PressureJson } from '../src/report/port_json.ts';
import { DOCUMENTS } from '../src/report/schemas.ts';
import { expectNoStack, expectOneLine } from './support/assertions.ts';
import { COMMAND, ensureBuilt, lastack, type Outcome, outcomeOf, type RunOptions, start } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces, missingOtherUsers } from './support/privileged.ts';

const HOLDER = path.join(import.meta.dirname, 'support/port_holder.py');
const LIMIT_MS = 60_000;

beforeAll(ensureBuilt);

const holders: ChildProcess[] = [];
afterEach(async () => {
  for (const holder of holders.splice(0)) {
    if (holder.exitCode !== null || holder.signalCode !== null) continue;
    const gone = once(holder, 'exit');
    holder.stdin?.end();
    holder.kill('SIGKILL');
    await gone;
  }
});

/** A program that has the port in a fresh namespace. */
async function holding(way: string, port: number, uid?: number): Promise<ChildProcess> {
  const args = ['--net', 'python3', HOLDER, way, String(port), ...(uid === undefined ? [] : [String(uid)])];
  const holder = start('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  holders.push(holder);
  expect(await nextLine(holder)).toBe('ready');
  return holder;
}

/** A line that the holder prints, whole however it arrives. */
async function nextLine({ stdout }: ChildProcess): Promise<string> {
  let text = '';
  while (!text.endsWith('\n')) text += String((await once(stdout!, 'data'))[0]);
  return text.trim();
}

function inside(holder: ChildProcess, args: readonly string[]): ChildProcess {
  return start('nsenter', ['--target', String(holder.pid), '--net', process.execPath, COMMAND, 'port', ...args]);
}

const portIn = (holder: ChildProcess, ...args: string[]): Promise<Outcome> => outcomeOf(inside(holder, args), LIMIT_MS);

async function jsonIn(holder: ChildProcess, ...args: string[]): Promise<PortJson> {
  const { code, out } = await portIn(holder, ...args, '--own-netns', '--json');
  expect(code).toBe(0);
  const document = JSON.parse(out);
  return DOCUMENTS['lastack.port/1'].schema.parse(document) as PortJson;
}

describe('a wrong command line', () => {
  it.each([
    [['0'], /there is no port 0: port 0 stands for "any free port"/],
    [['65536'], /ports go up to 65535/],
    [['99999999999999999999'], /ports go up to 65535/],
    [['abc'], /'abc' is no port; give a number from 1 to 65535/],
    [['htps'], /did you mean https\?/],
    [['-5'], /'-5' is no port|unknown option/],
    [['8080.5'], /'8080.5' is no port/],
    [['\u001b[31m'], /'\\x1b\[31m' is no port/],
    [[], /port needs a number or a name of a service/],
    [['80', '90'], /too many arguments/],
    [['80', '--timeout', '5'], /--timeout belongs to --wait/],
    [['80', '--wait', '--timeout', 'soon'], /--timeout soon: not a duration; for example 30s/],
    [['80', '--wait', '--pressure'], /--wait.*cannot be used with.*--pressure/],
    [['80', '--pressure'], /leave the port out/],
    [['80', '--interval', '1'], /--interval belongs to --pressure/],
    [['--pressure', '--interval', 'x'], /--interval x: not a number of seconds/],
    [['80', '--address', 'nowhere'], /--address nowhere: not an IPv4 or IPv6 address/],
    [['80', '--address', 'fe80::1%nowhere0'], /no interface 'nowhere0' with a link-local address/],
  ])('%j is said in one line', async (args, said) => {
    expectOneLine(await lastack(['port', ...args]), 2, said);
  });
});

describe('a host with a fault', () => {
  const onHost = async (replaced: Parameters<typeof capturedEffects>[1], ...argv: string[]) => {
    const effects = capturedEffects(['port', ...argv], replaced);
    const code = await runCommandLine(effects);
    return { code, ...effects.written };
  };
  const libcWith = (faults: object) => ({ libc: () => ({ ...loadLibc(), ...faults }) });

  it.each([['1'], ['--pressure']])('without sock_diag: %s', async (...argv) => {
    const none = libcWith({ socket: () => -1, errno: () => 93 });
    expectOneLine(await onHost(none, ...argv), 3, /\(EPROTONOSUPPORT\); load the kernel module/);
  });

  it.each([['1'], ['--pressure']])('without /proc: %s', async (...argv) => {
    expectOneLine(await onHost({ procRoot: '/nowhere' }, ...argv), 3, /thread-self\/ns\/net cannot be read; mount it/);
  });

  it('waits by the trials alone where the sockets cannot be read', async () => {
    const effects = { ...libcWith({ bind: () => -1, errno: () => 98 }), procRoot: '/nowhere' };
    const { code, err } = await onHost(effects, '8080', '--wait', '--timeout', '0.3');
    expect(code).toBe(1);
    expect(err).toContain('port 8080 has no known time at which it is free: bind gives EADDRINUSE');
  });

  it('does not wait for what waiting cannot mend', async () => {
    const refused = libcWith({ bind: () => -1, errno: () => 13 });
    expectOneLine(await onHost(refused, '80', '--wait'), 3, /cannot help: bind gives EACCES: ports below 1024/);
    expectOneLine(await onHost(refused, '8080', '--wait'), 3, /a security module or a BPF program/);
  });

  it('makes no socket: EMFILE is said', async () => {
    const full = libcWith({ socket: () => -1, errno: () => 24 });
    expectOneLine(await onHost(full, '8080', '--wait'), 3, /making a socket to try the port with: .*\(EMFILE\)/);
  });
});

const cannotUnshare = missingNamespaces() !== undefined;

describe.skipIf(cannotUnshare)('the answer', { timeout: LIMIT_MS }, () => {
  it('names a listener, its program, and that it stays', async () => {
    const holder = await holding('listen', 8080);
    const document = await jsonIn(holder, '8080');
    const [only] = document.holders;
    expect(document.holders).toHaveLength(1);
    expect(only).toMatchObject({ state: 'LISTEN', here: true, count: 1, reuseaddr: true, reuseport: false });
    expect(only.owners).toEqual([expect.objectContaining({ pid: holder.pid, fd: expect.any(Number) })]);
    expect(document.bind).toEqual({
      plain: 'EADDRINUSE',
      reuseaddr: 'EADDRINUSE',
      reuseport: 'EADDRINUSE',
      both: 'EADDRINUSE',
      otherAddress: 'ok',
    });
    expect(document).toMatchObject({ port: 8080, until: { kind: 'never' } });
    expect(document.freeInMs).toBeUndefined();
    const { out, code } = await portIn(holder, '8080', '--own-netns');
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toMatch(/Port 8080 is taken by LISTEN 127\.0\.0\.1:8080 of python3/);
    expect(out).toContain('never free by itself');
  });

  it('says until when TIME_WAIT has it, and that SO_REUSEADDR does not mind', async () => {
    const holder = await holding('time-wait', 8080);
    const document = await jsonIn(holder, '8080');
    expect(document.holders).toMatchObject([{ state: 'TIME_WAIT', kind: 'minisocket', owners: [] }]);
    expect(document.bind).toMatchObject({ plain: 'EADDRINUSE', reuseaddr: 'ok', reuseport: 'EADDRINUSE', both: 'ok' });
    // 60 s by the kernel, an eighth later at most.
    expect(document.freeInMs).toBeGreaterThan(30_000);
    expect(document.freeInMs).toBeLessThan(68_000);
    const { out } = await portIn(holder, '8080', '--own-netns');
    expect(out).toMatch(/free\s+in\s+\d[^.]*(\.\d[^.]*)*\.\s+With\s+SO_REUSEADDR\s+a\s+bind\s+succeeds\s+now/);
    expect(out).toContain('lastack clear state time-wait sport = :8080 --dry-run');
  });

  it('a listener of IPv6 leaves 0.0.0.0 free, not dual-stack', async () => {
    const document = await jsonIn(await holding('listen6', 8080), '8080');
    const plain = document.binds.map(({ address, v6only, results }) => [address, v6only, results.plain]);
    expect(plain).toContainEqual(['0.0.0.0', undefined, 'ok']);
    expect(plain).toContainEqual(['::', false, 'EADDRINUSE']);
    expect(document.bind.plain).toBe('EADDRINUSE');
  });

  it('SO_REUSEPORT shares within one user only', async () => {
    const own = await jsonIn(await holding('reuseport', 8080), '8080');
    expect(own.bind).toMatchObject({ plain: 'EADDRINUSE', reuseaddr: 'EADDRINUSE', reuseport: 'ok', both: 'ok' });
    const foreign = await jsonIn(await holding('reuseport', 8081, 65_534), '8081');
    expect(foreign.bind).toMatchObject({ reuseport: 'EADDRINUSE', both: 'EADDRINUSE' });
    expect(foreign.binds[0].because.reuseport).toContain('for uid 65534, and this trial is of uid 0');
  });

  it('a socket that is bound and does not listen', async () => {
    const document = await jsonIn(await holding('bound', 8080), '8080');
    expect(document.holders).toMatchObject([{ state: 'BOUND_INACTIVE', reuseaddr: true }]);
    expect(document.bind).toMatchObject({ plain: 'EADDRINUSE', reuseaddr: 'ok' });
    expect(document.binds[0].because.reuseaddr).toContain('only the first to listen succeeds');
  });

  it('a free port, and one at an address that is not here', async () => {
    const holder = await holding('listen', 8080);
    const free = await jsonIn(holder, ':45000');
    expect(free).toMatchObject({ holders: [], bind: { plain: 'ok' }, ephemeral: { inRange: true, reserved: false } });
    expect(free.remedies.map(({ command }) => command)).toEqual(['sysctl -w net.ipv4.ip_local_reserved_ports=45000']);
    const foreign = await jsonIn(holder, '8080', '--address', '192.0.2.1');
    expect(foreign.bind.plain).toBe('EADDRNOTAVAIL');
    expect(foreign.until).toBeUndefined();
    expect((await jsonIn(holder, 'https')).port).toBe(443);
  });

  it('sees holders in other namespaces, which block nothing here', async () => {
    const holder = await holding('listen', 18_080);
    const other = await holding('listen', 18_081);
    const { out } = await portIn(other, '18080', '--json');
    const document: PortJson = JSON.parse(out);
    // Other programs of this host may have the port as well.
    const owned = document.holders.filter(({ owners }) => owners.some(({ pid }) => pid === holder.pid));
    expect(owned).toMatchObject([{ state: 'LISTEN', here: false }]);
    expect(document.bind.plain).toBe('ok');
    expect((await portIn(other, '18080')).out).toContain('held in other network namespaces');
  });

  it('fits 40 columns', async () => {
    const holder = await holding('listen', 8080);
    const terminal = path.join(import.meta.dirname, 'support/on_terminal.py');
    const args = ['--target', String(holder.pid), '--net', 'python3', terminal, '40', process.execPath, COMMAND];
    const shown = await outcomeOf(start('nsenter', [...args, 'port', '8080', '--own-netns']), LIMIT_MS);
    expectNoStack(shown);
    const lines = shown.out.replaceAll(/\u001b\[[0-9;]*m/g, '').split(/\r?\n/);
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => [...line].length > 40 && !/^ +(lastack|sysctl) /.test(line))).toEqual([]);
  });
});

describe.skipIf(cannotUnshare)('--wait', { timeout: LIMIT_MS }, () => {
  it('is silent where the port is free', async () => {
    const holder = await holding('listen', 8080);
    expect(await portIn(holder, '8081', '--wait')).toMatchObject({ code: 0, out: '', err: '' });
  });

  it('returns when the port is free: within what the forecast said, and a bind then succeeds', async () => {
    const holder = await holding('fin-wait-2', 8080);
    const { freeInMs, until } = await jsonIn(holder, '8080');
    const startedMs = performance.now();
    const { code, err } = await portIn(holder, '8080', '--wait', '--timeout', '30s');
    const waitedMs = performance.now() - startedMs;
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^lastack: port 8080 is free, after [\d.]+ s\n$/),
    });
    expect(freeInMs).toBeGreaterThan(0);
    // The forecast was made before this clock was started; processes take time to start.
    expect(waitedMs).toBeGreaterThan((until?.earliestMs ?? 0) - 2_500);
    expect(waitedMs).toBeLessThan((freeInMs ?? 0) + 5_000);
    expect((await jsonIn(holder, '8080')).bind.plain).toBe('ok');
  });

  it('says at once that a listener stays, and returns when its program ends', async () => {
    const holder = await holding('listen', 8080);
    const waiting = inside(holder, ['8080', '--wait']);
    const ended = outcomeOf(waiting, LIMIT_MS);
    const [said] = await once(waiting.stderr!, 'data');
    expect(String(said)).toMatch(
      /port 8080 will not be free by itself: LISTEN 127\.0\.0\.1:8080 of python3 \(pid \d+\)/,
    );
    holder.kill('SIGKILL');
    const { code, err } = await ended;
    expect({ code, last: err.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: expect.stringMatching(/is free, after/),
    });
  });

  it('gives up with 1, and is interrupted with 130', async () => {
    const holder = await holding('listen', 8080);
    const { code, out, err } = await portIn(holder, '8080', '--wait', '--timeout', '500ms');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /port 8080 is still taken after [\d.]+ m?s: LISTEN .*; lastack port 8080 shows what can be done\n$/,
    );
    const waiting = inside(holder, ['8080', '--wait']);
    const ended = outcomeOf(waiting, LIMIT_MS);
    await once(waiting.stderr!, 'data');
    await pause(300);
    waiting.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, out: '' });
  });
});

describe.skipIf(cannotUnshare)('--pressure', { timeout: 120_000 }, () => {
  it('foretells when connect fails for want of a port, against the clock', async () => {
    const holder = await holding('churn', 8080);
    const startedMs = performance.now();
    const exhausted = nextLine(holder);
    const { code, out } = await portIn(holder, '--pressure', '--own-netns', '--interval', '1', '--json');
    const leftAtMs = performance.now() - startedMs;
    expect(code).toBe(0);
    const document = DOCUMENTS['lastack.pressure/1'].schema.parse(JSON.parse(out)) as PressureJson;
    const [{ ports, destinations }] = document.namespaces;
    expect(ports).toBe(600);
    const [{ exhaustion, takenPerSecond, remote, reusable }] = destinations;
    expect({ remote, reusable }).toEqual({ remote: { address: '127.0.0.1', port: 8080 }, reusable: false });
    expect(takenPerSecond).toBeGreaterThan(5);
    const tookMs = Number(await exhausted) * 1000;
    expect(exhaustion.kind).toBe('in');
    // A shared machine does not keep its rate: half and twice are near enough.
    const foretoldMs = leftAtMs + (exhaustion.inMs ?? 0);
    expect(foretoldMs).toBeGreaterThan(tookMs / 2);
    expect(foretoldMs).toBeLessThan(tookMs * 2 + 2_000);
    const after = await portIn(holder, '--pressure', '--own-netns', '--interval', '0.1');
    if (holder.exitCode === null) expect(after.out).toMatch(/Exhausted|Not exhausted/);
  });
});

describe.skipIf(missingOtherUsers() !== undefined)('a user without any privilege', () => {
  const NOBODY: RunOptions = { uid: 65_534, gid: 65_534 };

  it('learns what a bind says to him, and what he may not see', async () => {
    const { code, out } = await lastack(['port', '1', '--json'], NOBODY);
    const document: PortJson = JSON.parse(out);
    expect(document.bind.plain).toBe('EACCES');
    expect(document.binds[0].because.plain).toContain('need CAP_NET_BIND_SERVICE');
    expect(code).toBe(document.complete ? 0 : 4);
    expectOneLine(
      await lastack(['port', '1', '--wait'], NOBODY),
      3,
      /waiting for port 1 cannot help: bind gives EACCES/,
    );
  });
});
