import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runScenario, type Stage } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutcomeJson } from '../src/report/outcome_json.ts';
import type { ReportJson } from '../src/report/report_json.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, type Outcome, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const missing = missingNamespaces();
if (missing) process.stderr.write(`clear_command.test.ts is skipped: ${missing}\n`);

describe.skipIf(missing !== undefined && !process.env.CI)('lastack clear', () => {
  let state: string;

  beforeAll(async () => {
    await ensureBuilt();
    state = mkdtempSync(path.join(tmpdir(), 'lastack-clear-'));
  }, 120_000);
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  /** The command, as a user inside the scenario's namespace would run it. */
  function clearIn(stage: Stage, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const argv = ['-t', String(stage.observeIn.pid), '-n', '--', process.execPath, COMMAND, 'clear', ...args];
    return outcomeOf(start('nsenter', argv, { env: { ...process.env, XDG_STATE_HOME: state, ...env } }));
  }

  function inScenario<T>(name: string, body: (stage: Stage) => Promise<T>): Promise<T> {
    return runScenario(name, { family: 4, actorFile: LAB_ACTOR }, body);
  }

  const stateCount = async ({ observeIn }: Stage, name: string) =>
    [...(await ss(observeIn)).values()].filter((line) => line.state === name).length;

  it('shows a plan and changes nothing with --dry-run', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      const { code, out } = await clearIn(stage, ['stuck', '--dry-run', '--json']);
      const document = JSON.parse(out) as OutcomeJson;
      expect(code).toBe(0);
      expect(document).toMatchObject({ schema: 'lastack.outcome/1', dryRun: true, counts: { planned: 5 } });
      expect(new Set(document.results.map(({ method }) => method))).toEqual(new Set(['close-gracefully']));
      expect(await stateCount(stage, 'CLOSE_WAIT')).toBe(5);
    });
  });

  it('refuses without a terminal and without --yes, and changes nothing', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      const { code, err } = await clearIn(stage, ['state', 'close-wait']);
      expect([code, err.split('\n').length]).toEqual([2, 2]);
      expect(err).toContain('--yes');
      expect(await stateCount(stage, 'CLOSE_WAIT')).toBe(5);
    });
  });

  it('interrupted at the question ends with 130', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      const clear = `${process.execPath} ${COMMAND} clear state close-wait`;
      // The key, once the question stands: a terminal in raw mode hands it on as a byte.
      const keys = "(sleep 2; printf '\\003'; sleep 1)";
      const argv = [
        '-t',
        String(stage.observeIn.pid),
        '-n',
        '--',
        'sh',
        '-c',
        `${keys} | script -qec "${clear}" /dev/null`,
      ];
      const { code, out } = await outcomeOf(start('nsenter', argv, { env: process.env }));
      expect(out).toContain('nothing was changed');
      expect(code).toBe(130);
      expect(await stateCount(stage, 'CLOSE_WAIT')).toBe(5);
    });
  });

  it('keeps the exit code of the doctor when nobody reads', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      const doctor = `${process.execPath} ${COMMAND} --own-netns`;
      const argv = [
        '-t',
        String(stage.observeIn.pid),
        '-n',
        '--',
        'bash',
        '-c',
        `${doctor} | true; exit \${PIPESTATUS[0]}`,
      ];
      expect(await outcomeOf(start('nsenter', argv, { env: process.env }))).toMatchObject({ code: 1 });
    });
  });

  it.each(['close-wait', 'time-wait'])('is told no, changes nothing, and ends with 1 (%s)', async (state) => {
    const scenario = state === 'close-wait' ? 'close-wait-close-forgotten' : 'time-wait-port-pressure';
    await inScenario(scenario, async (stage) => {
      const name = state.replace('-', '_').toUpperCase();
      const before = await stateCount(stage, name);
      const clear = `${process.execPath} ${COMMAND} clear state ${state} --max 100000`;
      const argv = [
        '-t',
        String(stage.observeIn.pid),
        '-n',
        '--',
        'sh',
        '-c',
        `echo n | script -qec "${clear}" /dev/null`,
      ];
      const { code, out } = await outcomeOf(start('nsenter', argv, { env: process.env }));
      expect(out).toMatch(/\[y\/N\][\s\S]*nothing was changed/);
      expect(code).toBe(1);
      expect(await stateCount(stage, name)).toBe(before);
    });
  });

  it.each([
    ['close-wait-close-forgotten', 'CLOSE_WAIT', 'close-gracefully'],
    ['close-wait-unaccepted', 'CLOSE_WAIT', 'destroy'],
    ['fin-wait-2-held', 'FIN_WAIT2', 'destroy'],
    ['fin-wait-1-blackhole-orphan', 'FIN_WAIT1', 'destroy'],
    ['last-ack-blackhole', 'LAST_ACK', 'destroy'],
    ['syn-sent-unanswered', 'SYN_SENT', 'destroy'],
  ])('clears %s by the gentlest means, and ss agrees', async (name, ssState, means) => {
    await inScenario(name, async (stage) => {
      const before = await stateCount(stage, ssState);
      expect(before).toBeGreaterThan(0);
      const { code, out } = await clearIn(stage, ['stuck', '--yes', '--json']);
      const document = JSON.parse(out) as OutcomeJson;
      expect([code, document.counts]).toEqual([0, { cleared: before }]);
      expect(new Set(document.results.map(({ method }) => method))).toEqual(new Set([means]));
      expect(await stateCount(stage, ssState)).toBe(0);
    });
  });

  it('climbs to the next means when the gentle one is not answered', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      // Without its route the FIN of the graceful close is never acknowledged: LAST_ACK would stay.
      await stage.observeIn.run('ip', ['route', 'add', 'blackhole', `${stage.sockets[0].remote.address}/32`]);
      const { code, out } = await clearIn(stage, ['state', 'close-wait', '--yes', '--json']);
      const document = JSON.parse(out) as OutcomeJson;
      expect([code, document.counts]).toEqual([0, { cleared: 5 }]);
      expect(new Set(document.results.map(({ method }) => method))).toEqual(new Set(['destroy']));
    });
  });

  it('leaves open connections and listeners alone unless they are asked for', async () => {
    await inScenario('listen-queue-full', async (stage) => {
      const listeners = await clearIn(stage, ['state', 'listening', '--yes', '--json']);
      expect(listeners.code).toBe(1);
      expect(JSON.parse(listeners.out).counts).toEqual({ guarded: 1 });
      expect(await stateCount(stage, 'LISTEN')).toBe(1);
    });
    await inScenario('established-blackhole', async (stage) => {
      const open = await stateCount(stage, 'ESTABLISHED');
      const left = await clearIn(stage, ['state', 'established', '--yes', '--json']);
      expect([left.code, JSON.parse(left.out).counts]).toEqual([1, { guarded: open }]);
      const asked = await clearIn(stage, ['state', 'established', '--established', '--yes', '--json']);
      expect([asked.code, JSON.parse(asked.out).counts]).toEqual([0, { cleared: open }]);
    });
  });

  it('takes a port or an end for all that it names, narrowed as a filter would be', async () => {
    await inScenario('close-wait-close-forgotten', async (stage) => {
      const [{ local, remote }] = stage.sockets;
      const planned = async (...args: string[]) => {
        const { code, out, err } = await clearIn(stage, [...args, '--dry-run', '--json']);
        expect([code, err]).toEqual([code === 0 ? 0 : 1, code === 0 ? '' : expect.stringContaining('no socket')]);
        return (JSON.parse(out) as OutcomeJson).counts.planned ?? 0;
      };
      const lines = [...(await ss(stage.observeIn)).values()].filter(({ state: name }) => name === 'CLOSE_WAIT');
      expect(lines.length).toBeGreaterThan(1);
      expect(await planned(`:${local.port}`)).toBe(lines.length);
      expect(await planned(`${local.address}:${local.port}`)).toBe(lines.length);
      expect(await planned(`${remote.address}:${remote.port}`)).toBe(1);
      expect(await planned(`:${local.port}`, '--address', remote.address)).toBe(0);
      const { out } = await clearIn(stage, [`${remote.address}:${remote.port}`, '--dry-run', '--json']);
      const cookie = `cookie:${(JSON.parse(out) as OutcomeJson).results[0].socket.cookie}`;
      expect(await planned(cookie, '--older-than', '0s')).toBe(1);
      expect(await planned(cookie, '--older-than', '10d')).toBe(0);
    });
    await inScenario('established-blackhole', async (stage) => {
      const { code, out } = await clearIn(stage, [`:${stage.sockets[0].local.port}`, '--yes', '--json']);
      expect([code, Object.keys(JSON.parse(out).counts)]).toEqual([1, ['guarded']]);
    });
  });

  it('never touches the connection of the login', async () => {
    await inScenario('established-blackhole', async (stage) => {
      const { local, remote } = stage.sockets[0];
      const login = `${remote.address} ${remote.port} ${local.address} ${local.port}`;
      const target = `${local.address}:${local.port}-${remote.address}:${remote.port}`;
      const { code, out } = await clearIn(stage, [target, '--established', '--yes', '--json'], {
        SSH_CONNECTION: login,
      });
      expect([code, JSON.parse(out).counts]).toEqual([1, { guarded: 1 }]);
    });
  });

  it('refuses more than --max, by one line that says how to go on', async () => {
    await inScenario('fin-wait-2-held', async (stage) => {
      const { code, err } = await clearIn(stage, ['state', 'fin-wait-2', '--yes', '--max', '2']);
      expect([code, err]).toEqual([2, expect.stringMatching(/^lastack: 5 sockets match, .*--max 5\n$/)]);
      expect(await stateCount(stage, 'FIN_WAIT2')).toBe(5);
    });
  });

  it('clears TIME_WAIT by the hundreds, nothing else, and says how many', async () => {
    await inScenario('time-wait-port-pressure', async (stage) => {
      const before = await stateCount(stage, 'TIME_WAIT');
      const others = (await ss(stage.observeIn)).size - before;
      const { code, out } = await clearIn(stage, ['state', 'time-wait', '--yes', '--max', '100000']);
      expect([code, out]).toEqual([0, `${before} cleared\n`]);
      expect([await stateCount(stage, 'TIME_WAIT'), (await ss(stage.observeIn)).size]).toEqual([0, others]);
    });
  });

  it.each(['close-wait-eof-unread', 'fin-wait-1-blackhole-orphan', 'fin-wait-2-held', 'established-blackhole'])(
    'is what the doctor recommends for %s, and that clears what it found',
    async (name) => {
      await inScenario(name, async (stage) => {
        const argv = ['-t', String(stage.observeIn.pid), '-n', '--', process.execPath, COMMAND];
        const doctor = await outcomeOf(start('nsenter', [...argv, '--own-netns', '--json']));
        const [finding] = (JSON.parse(doctor.out) as ReportJson).findings;
        const command = finding.remedies.find(({ id }) => id === 'drop')?.command?.split(' ') ?? [];
        expect([command.slice(0, 2), command.at(-1)]).toEqual([['lastack', 'clear'], '--dry-run']);
        const others = (await ss(stage.observeIn)).size - finding.count;
        const { code, out } = await clearIn(stage, [...command.slice(2, -1), '--yes', '--json']);
        expect([code, JSON.parse(out).counts]).toEqual([0, { cleared: finding.count }]);
        expect((await ss(stage.observeIn)).size).toBe(others);
      });
    },
  );

  it('has written down what it did before it did it', async () => {
    const lines = readFileSync(path.join(state, 'lastack/journal.jsonl'), 'utf8').trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as { phase: string; action: string });
    expect(entries.filter(({ phase }) => phase === 'begin').length).toBeGreaterThan(5);
    expect(new Set(entries.map(({ action }) => action))).toContain('close-gracefully');
  });

  it.each([
    [['state', 'close-wait', '--method', 'magic', '--yes'], 2, 'there is no such means'],
    [['--yes'], 2, 'clear what?'],
    [['state', 'clsoe-wait', '--yes'], 2, 'there is no state'],
    [['state', 'close-wait', '--max', 'x', '--yes'], 2, '--max x'],
    [['cookie:ffffffff', '--yes'], 1, 'no socket matches'],
    [['--interface', 'nope0', '--yes'], 2, 'nope0'],
    [[':9', '--yes'], 1, 'no socket matches'],
    [['cookie:ff', '--older-than', 'foo'], 2, '--older-than foo: not a duration'],
    [['stuck', '--address', '10.0.0.300'], 2, '--address 10.0.0.300: '],
    [['frob', '--older-than', '5s'], 2, '\n  frob\n  ^^^^\n'],
  ])('%j: exit code %i', async (args, code, words) => {
    const argv = ['--net', process.execPath, COMMAND, 'clear', ...args];
    const result = await outcomeOf(start('unshare', argv, { env: { ...process.env, XDG_STATE_HOME: state } }));
    expect([result.code, result.err]).toEqual([code, expect.stringContaining(words)]);
    expect(result.err).not.toContain('    at ');
  });
});
