import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runScenario, type Stage } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutcomeJson } from '../src/report/outcome_json.ts';
import type { ReportJson } from '../src/report/report_json.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, outcomeOf, start } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';
import { pairKey } from './support/same_socket.ts';

const missing = missingNamespaces();
if (missing) process.stderr.write(`remedy_commands.test.ts is skipped: ${missing}\n`);

describe.skipIf(missing !== undefined && !process.env.CI)('the clear commands that findings print', () => {
  let folder: string;

  beforeAll(async () => {
    await ensureBuilt();
    folder = mkdtempSync(path.join(tmpdir(), 'lastack-commands-'));
    writeFileSync(path.join(folder, 'lastack'), `#!/bin/sh\nexec '${process.execPath}' '${COMMAND}' "$@"\n`);
    chmodSync(path.join(folder, 'lastack'), 0o755);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function shell<T>(command: string): Promise<T> {
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, XDG_STATE_HOME: folder };
    const { out, err } = await outcomeOf(start('sh', ['-c', command], { env }));
    if (out === '') throw new Error(`${command}: ${err}`);
    return JSON.parse(out) as T;
  }

  /** Where the report is made, and where its commands are pasted. */
  const PLACES: [string, (stage: Stage) => string][] = [
    ['the whole host', () => ''],
    ['--own-netns', ({ observeIn }) => `nsenter --net=/proc/${observeIn.pid}/ns/net `],
  ];

  it.each([
    ['fin-wait-2-held', 'fin-wait-2-held', 'close-wait-eof-unread'],
    ['fin-wait-1-blackhole-orphan', 'fin-wait-1-blackhole', 'fin-wait-1-blackhole'],
    ['established-blackhole', 'established-blackhole', 'established-blackhole'],
  ])(
    'hit the sockets of the finding and no others, in %s',
    async (scenario, alone, together) => {
      await runScenario(scenario, { family: 4, actorFile: LAB_ACTOR }, async (stage) => {
        for (const [place, prefix] of PLACES) {
          const within = prefix(stage);
          const report = await shell<ReportJson>(`${within}lastack --json${within === '' ? '' : ' --own-netns'}`);
          const rule = within === '' ? together : alone;
          const made = new Set(
            stage.sockets.flatMap(({ local, remote }) => [
              pairKey({ local, remote }),
              pairKey({ local: remote, remote: local }),
            ]),
          );
          // Other programs of this host may have stuck connections of their own.
          const finding = report.findings.find(
            (each) => each.rule === rule && each.sockets.every((one) => made.has(pairKey(one))),
          );
          expect(finding?.count, place).toBe(stage.sockets.length);
          const command = finding?.remedies.find(({ id }) => id === 'drop')?.command;
          const outcome = await shell<OutcomeJson>(`${within}${command} --json`);
          const cookies = (sockets: readonly { cookie: string }[] = []) => sockets.map(({ cookie }) => cookie).sort();
          expect(cookies(outcome.results.map(({ socket }) => socket)), command).toEqual(cookies(finding?.sockets));
        }
      });
    },
    60_000,
  );

  it('hit them out of a scenario of the lab, whose other namespaces the report left out', async () => {
    const child = start(process.execPath, [COMMAND, 'lab', 'run', '--keep', '--json', 'fin-wait-2-held']);
    const ended = outcomeOf(child, 60_000);
    let text = '';
    const report = await new Promise<ReportJson>((resolve) => {
      child.stdout?.on('data', (part: Buffer) => {
        text += part;
        if (text.includes('\n')) resolve(JSON.parse(text) as ReportJson);
      });
    });
    try {
      const [finding] = report.findings;
      expect(finding.rule).toBe('fin-wait-2-held');
      const command = finding.remedies.find(({ id }) => id === 'drop')?.command;
      const outcome = await shell<OutcomeJson>(`${command} --json`);
      expect(outcome.results.map(({ socket }) => socket.cookie).sort()).toEqual(
        finding.sockets.map(({ cookie }) => cookie).sort(),
      );
    } finally {
      child.kill('SIGINT');
      await ended;
    }
  }, 60_000);
});
