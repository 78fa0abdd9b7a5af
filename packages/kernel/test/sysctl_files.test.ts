import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { labPrivilege } from '@lastack/lab';
import { afterEach, describe, expect, it } from 'vitest';
import { decidingLine, parseSysctlFile, readSysctlFiles, sysctlPath } from '../src/mod.ts';

const SCRIPT = path.join(import.meta.dirname, 'own_etc.sh');
/** Runs its arguments, then prints NAME VALUE for the settings of this namespace. */
const APPLY = `"$@" >/dev/null 2>&1; cd /proc/sys/net/ipv4; for name in tcp_*; do echo "$name $(cat $name 2>/dev/null)"; done`;
const SYSTEMD = ['/usr/lib/systemd/systemd-sysctl', '/lib/systemd/systemd-sysctl'].find(existsSync);

/** Which programs can be asked; what is missing is said, and fails in CI. */
function oracles(): { program: string[]; withProcps: boolean }[] {
  if (labPrivilege().kind !== 'direct') return skipped('no right to make namespaces', []);
  const procps = { program: ['sysctl', '--system'], withProcps: true };
  return SYSTEMD === undefined
    ? skipped('systemd-sysctl is not installed', [procps])
    : [procps, { program: [SYSTEMD], withProcps: false }];
}

function skipped<T>(because: string, rest: T): T {
  if (process.env.CI && !because.startsWith('systemd'))
    throw new Error(`files of settings cannot be tried: ${because}`);
  process.stderr.write(`files of settings not tried against all programs: ${because}\n`);
  return rest;
}

let root: string | undefined;
afterEach(() => {
  if (root !== undefined) rmSync(root, { recursive: true });
  root = undefined;
});

/** Paths below the root with their text; a text of null is a link to /dev/null. */
function tree(files: Readonly<Record<string, string | null>>): string {
  root = mkdtempSync(path.join(tmpdir(), 'lastack-sysctl-'));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    if (text === null) symlinkSync('/dev/null', file);
    else writeFileSync(file, text);
  }
  return root;
}

const TREES: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  'order by name across folders': {
    'etc/sysctl.d/60-a.conf': 'net.ipv4.tcp_fin_timeout = 31\nnet.ipv4.tcp_retries2 = 9\n',
    'usr/lib/sysctl.d/70-b.conf': 'net.ipv4.tcp_fin_timeout = 32\n',
    'run/sysctl.d/50-c.conf': 'net.ipv4.tcp_fin_timeout = 33\nnet.ipv4.tcp_retries2 = 10\n',
    'usr/local/lib/sysctl.d/80-d.conf': 'net.ipv4.tcp_orphan_retries=4\n',
    'etc/sysctl.d/9-e.conf': 'net.ipv4.tcp_orphan_retries=5\n',
  },
  'the same name hides': {
    'usr/lib/sysctl.d/50-x.conf': 'net.ipv4.tcp_fin_timeout = 31\nnet.ipv4.tcp_retries2 = 9\n',
    'run/sysctl.d/50-x.conf': 'net.ipv4.tcp_fin_timeout = 32\n',
    'usr/lib/sysctl.d/50-y.conf': 'net.ipv4.tcp_retries2 = 11\n',
    'etc/sysctl.d/50-y.conf': null,
    'etc/sysctl.d/99-no-suffix': 'net.ipv4.tcp_retries2 = 12\n',
  },
  'spelling, comments, and what is none': {
    'etc/sysctl.d/10.conf':
      '# one\n; two\n\n  net/ipv4/tcp_fin_timeout=31  \n-net.ipv4.tcp_retries2 = 9\n-net.ipv4.tcp_none = 1\nnonsense\n',
    'etc/sysctl.d/20.conf':
      'net.ipv4/tcp_orphan_retries = 3\nnet.ipv4.tcp_syn_retries =\t5 \nnet.ipv4.tcp_retries1 = 4 # so\n',
  },
  'wildcards count less than names': {
    'etc/sysctl.d/10.conf': 'net.ipv4.tcp_keepalive_probes = 5\n',
    'etc/sysctl.d/20.conf': 'net.ipv4.tcp_keepalive_* = 33\nnet.ipv4.tcp_*_retries = 6\n-net.ipv4.tcp_syn_retries\n',
    'etc/sysctl.d/30.conf':
      'net.ipv4.tcp_keepalive_?????? = 44\nnet.*.tcp_fin_timeout = 20\nnet.ipv4.tcp_retries[12] = 8\n',
  },
  'sysctl.conf': {
    'etc/sysctl.conf': 'net.ipv4.tcp_fin_timeout = 31\n',
    'etc/sysctl.d/99-z.conf': 'net.ipv4.tcp_fin_timeout = 32\n',
  },
};

const NAMES = [
  ...['tcp_fin_timeout', 'tcp_retries1', 'tcp_retries2', 'tcp_orphan_retries', 'tcp_syn_retries', 'tcp_synack_retries'],
  ...['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
];

const cases = oracles().flatMap((oracle) => Object.keys(TREES).map((name) => ({ name, ...oracle })));

describe.skipIf(cases.length === 0)('what decides at boot is what the programs do', () => {
  it.each(cases)('$program.0: $name', ({ name, program, withProcps }) => {
    const folder = tree(TREES[name]);
    const run = (...argv: string[]) => {
      const text = execFileSync(
        'unshare',
        ['--mount', '--net', 'sh', SCRIPT, folder, 'sh', '-c', APPLY, 'sh', ...argv],
        { encoding: 'utf8' },
      );
      return new Map(text.split('\n').map((line) => line.split(' ') as [string, string]));
    };
    const untouched = run('true');
    const applied = run(...program);
    const { lines, unreadable } = readSysctlFiles(folder, { withProcps });
    expect(unreadable).toEqual([]);
    const number = (text: string | undefined) => text?.split(' ')[0];
    const expected = NAMES.map((each) => `${each} ${applied.get(each)}`);
    const ours = NAMES.map((each) => {
      return `${each} ${number(decidingLine(lines, `net/ipv4/${each}`)?.value) ?? untouched.get(each)}`;
    });
    expect(ours).toEqual(expected);
    expect(NAMES.some((each) => applied.get(each) !== untouched.get(each))).toBe(true);
  });
});

describe('one file', () => {
  it('gives each assignment with its line', () => {
    expect(parseSysctlFile('f', '# c\nnet.ipv4.tcp_mem = 1\t2  3\n\n-a.b\n')).toEqual([
      { file: 'f', line: 2, pattern: 'net/ipv4/tcp_mem', value: '1 2 3' },
      { file: 'f', line: 4, pattern: 'a/b', value: undefined },
    ]);
  });

  it.each([
    ['net.ipv4.conf.eth0/1.rp_filter', 'net/ipv4/conf/eth0.1/rp_filter'],
    ['net/ipv4/conf/eth0.1/rp_filter', 'net/ipv4/conf/eth0.1/rp_filter'],
    ['somaxconn', 'somaxconn'],
  ])('%s is %s', (key, expected) => {
    expect(sysctlPath(key)).toBe(expected);
  });

  it('that cannot be read is named', () => {
    const folder = tree({ 'etc/sysctl.d/10.conf/below': '' });
    const { lines, unreadable } = readSysctlFiles(folder, { withProcps: true });
    expect(lines).toEqual([]);
    expect(unreadable).toEqual([{ file: path.join(folder, 'etc/sysctl.d/10.conf'), because: 'EISDIR' }]);
  });

  it.each(['[', '[z-a]*', '(', '*+?'])('with the pattern %s decides nothing and breaks nothing', (pattern) => {
    const lines = parseSysctlFile('f', `net.ipv4.${pattern} = 1\n`);
    expect(decidingLine(lines, 'net/ipv4/tcp_fin_timeout')).toBeUndefined();
  });
});
