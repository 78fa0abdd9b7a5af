import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../src/cli/program.ts';
import type { Effects } from '../src/effects.ts';
import { expectOneLine } from './support/assertions.ts';
import { ensureBuilt, lastack } from './support/command.ts';
import { capturedEffects } from './support/effects.ts';
import { missingOtherUsers } from './support/privileged.ts';

async function explain(args: string[], replaced: Partial<Effects> = {}) {
  const effects = capturedEffects(['explain', ...args], replaced);
  const code = await runCommandLine(effects);
  return { code, ...effects.written };
}

const read = (name: string) => execFileSync('cat', [`/proc/sys/net/ipv4/${name}`], { encoding: 'utf8' }).trim();

describe('explain ADVICE', () => {
  it('takes a command as it stands, options and all', async () => {
    for (const text of [
      'sysctl -w net.ipv4.tcp_tw_recycle=1',
      'iptables -A INPUT -s 10.0.0.7 -j DROP',
      'conntrack -D -s 10.0.0.7',
      'ip route flush cache',
      'kill -9 1581',
      'ss -K dst 10.0.0.7',
      'service networking restart',
      'ndd -set /dev/tcp tcp_close_wait_interval 1500',
      'netstat -tulnap',
    ]) {
      const split = await explain(text.split(' '));
      expect(split, text).toMatchObject({ code: 0, err: '' });
      expect(split.out, text).toBe((await explain([text])).out);
    }
  });

  it('shows the values of this host', async () => {
    const { out } = await explain(['tcp_retries2']);
    expect(out).toContain(`tcp_retries2 = ${read('tcp_retries2')}: a dead peer`);
    const { parts } = JSON.parse((await explain(['net.inet.tcp.keepidle', '--json'])).out);
    expect(parts[0].settings).toEqual({ tcp_keepalive_time: read('tcp_keepalive_time') });
    const had = await explain([`tcp_retries2=${read('tcp_retries2')}`]);
    expect(had.out).toContain('This host has that value already.');
  });

  it('says whether this kernel has SOCK_DESTROY, as a request of another program finds it', async () => {
    const errno = execFileSync('python3', ['-c', PROBE], { encoding: 'utf8' }).trim();
    const { parts } = JSON.parse((await explain(['ss -K dst 10.0.0.7', '--json'])).out);
    expect(parts[0].sockDestroy.available).toBe(errno === 'ENOENT');
  });

  it('says nothing wrong where /proc cannot be read', async () => {
    const procRoot = mkdtempSync(path.join(tmpdir(), 'lastack-no-proc-'));
    const { out, code } = await explain(['tcp_fin_timeout=75; nf_conntrack_tcp_loose'], { procRoot });
    rmSync(procRoot, { recursive: true });
    expect(code).toBe(0);
    expect(out).toContain('tcp_fin_timeout: not readable here.');
    expect(out).not.toMatch(/undefined|NaN/);
  });

  it('leaves states what they are, but for two names that only AIX writes so', async () => {
    for (const state of ['close-wait', 'TCP_FIN_WAIT2', 'TCP_TIME_WAIT', 'closing', 'FIN WAIT 1', 'TCP_FINWAIT2']) {
      expect(JSON.parse((await explain([state, '--json'])).out).schema, state).toBe('lastack.state/1');
    }
    for (const [setting, state] of [
      ['tcp_finwait2', 'FIN_WAIT2'],
      ['tcp_timewait', 'TIME_WAIT'],
    ]) {
      const { out } = await explain([setting]);
      expect(out).toContain(`the setting ${setting} of AIX`);
      expect(out).toContain(`For the state of that name: lastack explain ${state}`);
    }
  });

  it('of what is unknown says so in both forms, with exit code 2', async () => {
    expectOneLine(await explain(['tcp_orphan_retrys']), 2, /nearest: tcp_orphan_retries; lastack explain --list/);
    const { code, out, err } = await explain(['tcp_orphan_retrys', '--json']);
    expect(code).toBe(2);
    expect(err).toMatch(/^lastack: [^\n]+\n$/);
    expect(JSON.parse(out)).toMatchObject({
      schema: 'lastack.advice/1',
      verdict: 'unknown',
      parts: [{ id: 'unknown', text: 'tcp_orphan_retrys', nearest: ['tcp_orphan_retries'] }],
    });
    // What is known among it is an answer all the same.
    const mixed = await explain(['tcp_tw_recycle=1 and net.ipv4.tcp_no_such=1']);
    expect(mixed).toMatchObject({ code: 0, err: '' });
    expect(mixed.out).toMatch(/Not known here\n {2}- net\.ipv4\.tcp_no_such/);
  });

  it('lists what it knows, and knows what it lists', async () => {
    const { advice } = JSON.parse((await explain(['--list', '--json'])).out) as {
      advice: { text: string; id: string }[];
    };
    expect(advice.length).toBeGreaterThan(150);
    for (const { text, id } of advice) {
      expect(JSON.parse((await explain([text, '--json'])).out).parts[0].id, text).toBe(id);
    }
  });
});

describe('explain ADVICE as the built command', () => {
  beforeAll(ensureBuilt, 120_000);
  const home = mkdtempSync(path.join(tmpdir(), 'lastack-explain-'));
  afterAll(() => rmSync(home, { recursive: true }));

  it('writes nothing, and needs no privilege', async () => {
    const unprivileged = missingOtherUsers() === undefined ? { uid: 65_534, gid: 65_534 } : {};
    const env = { ...process.env, HOME: home, XDG_STATE_HOME: home };
    const { code, out, err } = await lastack(['explain', 'ss', '-K'], { ...unprivileged, env });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('SOCK_DESTROY: this kernel');
    expect(execFileSync('ls', ['-A', home], { encoding: 'utf8' })).toBe('');
  });

  it('lets no control character of the text through', async () => {
    const { out } = await lastack(['explain', 'kill -9 \u001b]0;title\u0007 \u202e1581']);
    expect(out).toMatch(/^[\n -~]+$/);
  });
});

/** Asks for the end of a connection that cannot exist: port 0, no addresses, a cookie never given out. */
const PROBE = `
import errno, os, socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
body = struct.pack('=BBBBI', 2, 6, 0, 0, 2) + bytes(40) + struct.pack('=II', 0xfffffffe, 0xfffffffe)
s.send(struct.pack('=IHHII', 16 + len(body), 21, 5, 1, 0) + body)
print(errno.errorcode.get(-struct.unpack_from('=i', s.recv(4096), 16)[0]))
`;
