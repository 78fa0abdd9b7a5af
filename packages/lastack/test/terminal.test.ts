import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNoStack } from './support/assertions.ts';
import { COMMAND, ensureBuilt, lastack, type Outcome, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';

const COLUMNS = 40;
const LIMIT_MS = 60_000;
const ESCAPE = '\u001b';

beforeAll(ensureBuilt);

/** The built command on a terminal of 40 columns. */
function onTerminal(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const program = path.join(import.meta.dirname, 'support/on_terminal.py');
  const child = start('python3', [program, String(COLUMNS), process.execPath, COMMAND, ...args], {
    env: { ...process.env, LANG: 'C.UTF-8', LC_ALL: '', LC_CTYPE: '', TERM: 'xterm', NO_COLOR: '', ...env },
  });
  return outcomeOf(child, LIMIT_MS);
}

function linesOf(out: string): string[] {
  return out.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g'), '').split(/\r?\n/);
}

/** A command is printed to be copied: it is never broken. */
function isCommand(line: string): boolean {
  return /^ +(lastack|ss|nsenter|tcpdump|sysctl|systemctl) /.test(line);
}

function expectNarrow(outcome: Outcome): void {
  expectNoStack(outcome);
  const lines = linesOf(outcome.out);
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.filter((line) => [...line].length > COLUMNS && !isCommand(line))).toEqual([]);
}

describe('on a terminal of 40 columns no line is wider but commands', () => {
  it.each([
    ['the doctor', ['--own-netns']],
    ['explain', ['explain']],
    ['explain STATE', ['explain', 'time-wait']],
    ['explain ADVICE', ['explain', 'tcp_fin_timeout=75; ss -K; tcp_no_such; nf_conntrack_tcp_timeout_unacknowledged']],
    ['explain --list', ['explain', '--list']],
    ['lab list', ['lab', 'list']],
    ['help', ['--help']],
    ['help of a command', ['clear', '--help']],
    ['help of a command below another', ['block', 'add', '--help']],
  ])('%s', async (_what, args) => {
    const outcome = await onTerminal(args);
    expectNarrow(outcome);
  });

  const skip = missingNamespaces() !== undefined;
  const self = ['--', process.execPath, COMMAND];

  it.skipIf(skip).each([
    ['the doctor with a finding', 1, ['lab', 'run', 'forked-holder', '--family', '6']],
    ['ls', 0, ['lab', 'run', 'forked-holder', '--family', '6', ...self, 'ls']],
    ['ls of all namespaces', undefined, ['lab', 'run', 'forked-holder', ...self, 'ls', '--all-netns']],
    [
      'retune',
      0,
      ['lab', 'run', 'forked-holder', ...self, 'retune', 'state', 'connected', '--keepalive', '60/10/5', '--dry-run'],
    ],
    [
      'clear',
      0,
      [
        'lab',
        'run',
        'forked-holder',
        '--family',
        '6',
        ...self,
        'clear',
        'state',
        'connected',
        '--established',
        '--dry-run',
      ],
    ],
    [
      'tune set',
      0,
      ['lab', 'run', 'forked-holder', ...self, 'tune', 'set', 'tcp_orphan_retries=3', 'tcp_retries2=9', '--dry-run'],
    ],
    ['why with several matches', 2, ['lab', 'run', 'both-ends-same-host', ...self, 'why', ':8080']],
  ])('%s', { timeout: LIMIT_MS }, async (_what, code, args) => {
    const outcome = await onTerminal(args);
    expectNarrow(outcome);
    if (code !== undefined) expect(outcome.code).toBe(code);
  });
});

describe('an error', () => {
  it('is broken between words on a terminal and one line in a pipe', async () => {
    const words = ['clear', 'state', 'close-wait', '--method', 'magic'];
    const { code, err } = await lastack(words);
    expect([code, err.trimEnd().split('\n').length]).toEqual([2, 1]);
    // The helper discards standard error: joined to standard output here.
    const program = path.join(import.meta.dirname, 'support/on_terminal.py');
    const joined = ['sh', '-c', 'exec "$@" 2>&1', 'sh', process.execPath, COMMAND, ...words];
    const { out } = await outcomeOf(start('python3', [program, String(COLUMNS), ...joined]), LIMIT_MS);
    const lines = linesOf(out).filter(Boolean);
    expect(lines.filter((line) => line.length > COLUMNS)).toEqual([]);
    expect(lines.map((line) => line.trim()).join(' ')).toBe(err.trimEnd());
  });
});

describe('colour', () => {
  it('is for terminals only, and not with NO_COLOR or a dumb one', async () => {
    expect((await onTerminal(['--own-netns'])).out).toContain(ESCAPE);
    expect((await onTerminal(['--own-netns'], { NO_COLOR: '1' })).out).not.toContain(ESCAPE);
    expect((await onTerminal(['--own-netns'], { TERM: 'dumb' })).out).not.toContain(ESCAPE);
    expect((await lastack(['--own-netns'])).out).not.toContain(ESCAPE);
    expect((await lastack(['explain', 'time-wait'])).out).not.toContain(ESCAPE);
  });
});
