import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectNoStack, expectOneLine } from './support/assertions.ts';
import { ensureBuilt, lastack } from './support/command.ts';

beforeAll(ensureBuilt);

/** A control character, as a hostile argument would hold it. */
const ESCAPE = '\u001b[31m';

describe('a mistake on the command line is one line and exit code 2', () => {
  it.each<[string, string[], RegExp]>([
    ['unknown command', ['nonsense'], /there is no command 'nonsense'; there are ls, .*why/],
    ['no command at all', [''], /there is no command ''/],
    ['unknown option of the doctor', ['--nonsense'], /unknown option '--nonsense'; --help/],
    ['option with a typo', ['ls', '--jsn'], /unknown option '--jsn' \(Did you mean --json\?\)/],
    ['option of another command', ['ls', '--interval', '5'], /unknown option '--interval'/],
    ['option that takes no value', ['--json=3'], /unknown option '--json=3'/],
    ['option without its value', ['--interval'], /'--interval <seconds>' argument missing/],
    ['option with a wrong value', ['--interval', 'x'], /--interval x: not a number of seconds/],
    ['option with a value out of range', ['--interval', '-1'], /--interval -1: not a number of seconds/],
    ['two formats', ['ls', '--json', '--ndjson'], /'--ndjson' cannot be used with option '--json'/],
    ['why without arguments', ['why'], /missing required argument 'target'/],
    ['why with an option it does not have', ['why', ':1', '--wide'], /why has no option --wide/],
    ['why with what names no connection', ['why', 'nonsense'], /no connection is named by 'nonsense'/],
    ['unknown state', ['explain', 'cloze-wait'], /no TCP state 'cloze-wait'; did you mean CLOSE_WAIT\?/],
    ['unknown advice', ['explain', 'tcp_fin_timout'], /no TCP state, and no advice .*; nearest: tcp_fin_timeout;/],
    ['advice that nothing comes near', ['explain', 'xyzzy'], /nothing known comes near it; lastack explain --list/],
    ['advice that is too long', ['explain', 'tcp_tw_recycle '.repeat(600)], /has 9000 characters, and at most 8000/],
    ['advice and a wrong option', ['explain', 'tcp_tw_recycle', '--jsn'], /explain has no option --jsn; .*quotes/],
    ['list and advice', ['explain', '--list', 'tcp_tw_recycle'], /--list lists everything/],
    ['unknown subcommand', ['lab', 'nope'], /lab has no command 'nope'; there are list, run/],
    ['unknown scenario', ['lab', 'run', 'nope'], /no scenario "nope"; `lastack lab list` names them all/],
    ['scenario left out', ['lab', 'run'], /missing required argument 'scenario'/],
    [
      'lab: a command with options and without --',
      ['lab', 'run', '--family', '6', 'x', 'ss', '-tan', '--json'],
      /behind --: lastack lab run --family 6 x -- ss -tan --json$/m,
    ],
    ['lab: the same with blanks', ['lab', 'run', 'x', 'sh', '-c', 'a b'], /lastack lab run x -- sh -c 'a b'$/m],
    ['lab: an option that is none of the command', ['lab', 'run', 'x', '--nope'], /unknown option '--nope'; --help/],
    ['lab: the same in front', ['lab', 'run', '--nope', 'x', 'ss', '-t'], /unknown option '--nope'; --help/],
    ['ls: options of ss', ['ls', '-tan'], /not its options: leave out -t -a -n, .*faster: --no-owners$/m],
    ['ls: with owners', ['ls', '-tanp', 'sport', '=', ':1'], /: leave out -t -a -n -p, ls does so anyway$/m],
    ['ls: listeners', ['ls', '-l'], /its options: for -l write `state listening`$/m],
    ['ls: a family', ['ls', '-4'], /for -4 write `src 'inet:\*'`$/m],
    ['ls: words of ss', ['ls', '--processes', '--all'], /leave out --processes --all, ls does so anyway$/m],
    ['ls: what is not TCP', ['ls', '-tu'], /nothing stands for -u, lastack sees TCP only$/m],
    ['clear: options of ss', ['clear', '-K', 'dst', '192.0.2.1'], /leave out -K, clear does so anyway$/m],
    ['clear: a family', ['clear', '-4', '--dry-run'], /clear takes .* for -4 write `src 'inet:\*'`$/m],
    ['clear: an option of nobody', ['clear', '--kil'], /unknown option '--kil'; --help/],
    ['block remove: one and all', ['block', 'remove', ':1', '--all'], /--all and a target exclude each other/],
    [
      'block add: ends of two families',
      ['block', 'add', '192.0.2.1:1-[2001:db8::1]:2', '--dry-run'],
      /one end is IPv4 and the other IPv6; no connection has such ends/,
    ],
    ['ls: not all are options of ss', ['ls', '-tq'], /unknown option '-tq'; --help/],
    ['unknown family', ['lab', 'run', '--family', '5', 'fin-wait-2-held'], /--family 5: .*give 4 or 6/],
    ['help for what there is not', ['help', 'nope'], /there is no command 'nope'/],
    ['unknown cgroup', ['ls', 'cgroup', 'no/such'], /there is no cgroup 'no\/such' under/],
  ])('%s', async (_what, args, said) => {
    expectOneLine(await lastack(args), 2, said);
  });

  it.each([
    [[ESCAPE]],
    [[`--${ESCAPE}`]],
    [['--interval', ESCAPE]],
    [['ls', 'state', ESCAPE]],
    [['ls', 'cgroup', ESCAPE]],
    [['ls', `comm = "${ESCAPE}`]],
    [['why', ESCAPE]],
    [['explain', ESCAPE]],
    [['explain', `sysctl -w net.ipv4.tcp_${ESCAPE}=1`]],
    [['lab', 'run', ESCAPE]],
    [['lab', 'run', '--family', ESCAPE, 'x']],
  ])('whose control characters never reach the terminal: %j', async (args) => {
    const outcome = await lastack(args);
    expect(outcome.code).toBe(2);
    expect(outcome.err).toMatch(/^[\n -~]+$/);
  });
});

describe('a broken filter has a caret under the place and exit code 2', () => {
  it.each<[string, string, string]>([
    ['state foo', 'there is no state `foo`', '      ^^^'],
    ['state', 'a state is missing', '     ^'],
    ['state established and sport = = 3', '`sport` needs a port', '                              ^'],
    ['dport = :70000', '70000', '         ^^^^^'],
    ['( state established', '', ''],
  ])('%s', async (filter, said, caret) => {
    for (const args of [[filter], filter.split(' ')]) {
      const outcome = await lastack(['ls', ...args]);
      expectNoStack(outcome);
      expect(outcome).toMatchObject({ code: 2, out: '' });
      const [first, place, below] = outcome.err.split('\n');
      expect(first).toMatch(/^lastack: /);
      expect(first).toContain(said);
      expect(place).toBe(`  ${filter}`);
      expect(below).toMatch(/^ +\^+$/);
      expect(below.slice(2).startsWith(caret)).toBe(true);
    }
  });
});

describe('what there is not is exit code 1', () => {
  it.each<[string, string[], RegExp]>([
    ['unknown process', ['why', 'pid:4194304 fd:3'], /there is no process 4194304/],
    ['unknown process, without a descriptor', ['why', 'pid:4194304'], /there is no process 4194304/],
  ])('%s', async (_what, args, said) => {
    expectOneLine(await lastack(args), 1, said);
  });

  it.each([
    ['connection', ['192.0.2.1:1-192.0.2.2:2']],
    ['cookie', ['cookie:fffffffffffffff0']],
    ['descriptor of the process', [`pid:${process.pid}`, 'fd:99999']],
  ])('no such %s', async (_what, target) => {
    const outcome = await lastack(['why', ...target]);
    expectNoStack(outcome);
    expect(outcome).toMatchObject({ code: 1, out: '' });
    // Other tests' namespaces may vanish meanwhile, which is said on further lines.
    expect(outcome.err).toMatch(/^lastack: no socket matches: looked for .* in \d+ network namespaces? \(/);
  });
});

describe('ls', () => {
  const server = createServer();
  let client: Socket;
  let filter: string[];

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    filter = ['state', 'established', 'dport', '=', `:${port}`];
  });
  afterAll(() => {
    client.destroy();
    server.close();
  });

  const NOTHING = ['sport', '=', ':1', 'and', 'sport', '=', ':2'];

  it('ends with 0 where something matches', async () => {
    const { code, out } = await lastack(['ls', ...filter]);
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(2);
  });

  it('ends with 1 and a line where nothing matches', async () => {
    const { code, out, err } = await lastack(['ls', ...NOTHING]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^lastack: no socket matches in this network namespace; --all-netns looks in all$/m);
    const everywhere = await lastack(['ls', '--all-netns', ...NOTHING]);
    expect(everywhere.err).toMatch(/^lastack: no socket matches$/m);
  });

  it.each(['ls', 'clear'])('%s: says which namespaces there are where the named one is not', async (command) => {
    const { code, out, err } = await lastack([command, 'netns', 'no-such-netns']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^lastack: there is no network namespace 'no-such-netns', or it is gone; there are .+\n$/);
  });

  it('prints one JSON document, also where nothing matches', async () => {
    for (const [words, count] of [
      [filter, 1],
      [NOTHING, 0],
    ] as const) {
      const { code, out } = await lastack(['ls', '--json', ...words]);
      const document = JSON.parse(out);
      expect(document).toMatchObject({ schema: 'lastack.sockets/1', complete: true });
      expect(document.sockets).toHaveLength(count);
      expect(code).toBe(count === 0 ? 1 : 0);
    }
  });

  it('prints one JSON object on each line', async () => {
    const { code, out } = await lastack(['ls', '--ndjson', 'state', 'all']);
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ state: expect.any(String) });
    expect(await lastack(['ls', '--ndjson', ...NOTHING])).toMatchObject({ code: 1, out: '' });
  });
});

describe('every command', () => {
  it.each([[], ['ls'], ['why'], ['explain'], ['lab'], ['lab', 'list'], ['lab', 'run']])(
    'helps: %s',
    async (...names) => {
      const outcome = await lastack([...names, '--help']);
      expectNoStack(outcome);
      expect(outcome).toMatchObject({ code: 0, err: '' });
      expect(outcome.out).toContain(`Usage: ${['lastack', ...names].join(' ')} [options]`);
    },
  );

  it.each<[string[], string]>([
    [['--own-netns'], 'lastack.report/1'],
    [['ls'], 'lastack.sockets/1'],
    [['why', '192.0.2.1:1-192.0.2.2:2'], 'lastack.why/1'],
    [['explain', 'close-wait'], 'lastack.state/1'],
    [['explain'], 'lastack.states/1'],
    [['explain', 'tcp_tw_recycle'], 'lastack.advice/1'],
    [['explain', '--list'], 'lastack.advice-list/1'],
    [['lab', 'list'], 'lastack.scenarios/1'],
  ])('%j prints JSON', async (args, schema) => {
    const outcome = await lastack([...args, '--json']);
    expectNoStack(outcome);
    expect(JSON.parse(outcome.out).schema).toBe(schema);
  });
});
