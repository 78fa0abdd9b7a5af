import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Actor, runScenario } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuilt, LAB_ACTOR, lastack } from './support/command.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const SKIP = missingNamespaces() !== undefined;
const LIMIT_MS = 120_000;
/** For a machine that is busy with other things. */
const BUSY_MS = 5_000;

let home: string;
beforeAll(async () => {
  await ensureBuilt();
  home = mkdtempSync(path.join(tmpdir(), 'lastack-advise-'));
}, 120_000);
afterAll(() => rmSync(home, { recursive: true }));

const run = (args: readonly string[]) =>
  lastack(args, { env: { ...process.env, XDG_STATE_HOME: home }, limitMs: 60_000 });

async function advice(actor: Actor, ...more: string[]) {
  const args = ['tune', 'advise', '--netns', String(actor.netnsInode), '--json', ...more];
  const { out, err } = await run(args);
  expect(err).toBe('');
  return JSON.parse(out);
}

/** The proposed command, as it would be pasted. */
function pasted(command: string): string[] {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  expect(words.shift()).toBe('lastack');
  return words;
}

describe.skipIf(SKIP)('tune advise on real findings', { timeout: LIMIT_MS }, () => {
  it.each([4, 6] as const)('its command ends blackholed orphans inside the forecast (IPv%i)', async (family) => {
    await runScenario('fin-wait-1-blackhole-orphan', { family, actorFile: LAB_ACTOR }, async ({ observeIn: actor }) => {
      const { proposals } = await advice(actor);
      expect(proposals).toMatchObject([{ name: 'tcp_orphan_retries', before: '0', after: '3' }]);
      const [{ command, effects }] = proposals;
      expect(effects[0].beforeMs.from).toBeGreaterThan(60_000);
      const asked = performance.now();
      expect(await run(pasted(command))).toMatchObject({ code: 0 });
      const inFinWait1 = async () =>
        [...(await ss(actor)).values()].filter(({ state }) => state === 'FIN_WAIT1').length;
      while ((await inFinWait1()) > 0 && performance.now() - asked < 60_000) await sleep(50);
      expect(await inFinWait1()).toBe(0);
      // A timer that fires before the value is set is armed once more: the forecast of a whole life bounds that too.
      expect(performance.now() - asked).toBeLessThan(effects[1].afterMs.to + BUSY_MS);
    });
  });

  it('a busy healthy host gets nothing to change, whatever it is for', async () => {
    await runScenario('healthy-busy', { family: 4, actorFile: LAB_ACTOR }, async ({ observeIn: actor }) => {
      for (const more of [[], ['--for', 'server'], ['--for', 'client']]) {
        expect(await advice(actor, ...more)).toMatchObject({ proposals: [], unhelped: [] });
      }
      const { code, out } = await run(['tune', 'advise', '--netns', String(actor.netnsInode)]);
      expect({ code, out }).toEqual({
        code: 0,
        out: 'Nothing to change: nothing was found that a setting governs, in 1 network namespace.\n',
      });
    });
  });

  it.each([
    ['close-wait-close-forgotten', /no setting ends CLOSE_WAIT/],
    ['fin-wait-2-held', /no setting ends a FIN_WAIT2 that a program holds/],
    ['fin-wait-1-zero-window', /its program must read/],
  ])('%s: no setting helps, and it says why', async (scenario, because) => {
    await runScenario(scenario, { family: 4, actorFile: LAB_ACTOR }, async ({ observeIn: actor }) => {
      const { proposals, unhelped } = await advice(actor);
      expect(proposals).toEqual([]);
      expect(unhelped[0]).toMatchObject({ because: expect.stringMatching(because) });
    });
  });

  it.each([
    ['time-wait-port-pressure', ['ip_local_port_range', 'tcp_tw_reuse']],
    ['time-wait-overflow', ['tcp_max_tw_buckets']],
    ['fin-wait-2-orphans-120', ['tcp_fin_timeout']],
    ['fin-wait-1-blackhole', ['tcp_retries2']],
    ['syn-recv-pileup', ['tcp_synack_retries']],
  ])('%s: %j, and its commands are taken', async (scenario, names) => {
    await runScenario(scenario, { family: 4, actorFile: LAB_ACTOR }, async ({ observeIn: actor }) => {
      const { proposals } = await advice(actor);
      expect(proposals.map(({ name }: { name: string }) => name).sort()).toEqual([...names].sort());
      const show = async () => {
        const shown = await run(['tune', 'show', ...names, '--netns', String(actor.netnsInode), '--json']);
        return JSON.parse(shown.out).settings as { name: string; value: string; findings: unknown[] }[];
      };
      for (const { findings } of await show()) expect(findings.length).toBeGreaterThan(0);
      // With the cure, the findings may be gone.
      for (const { command } of proposals) expect(await run(pasted(command))).toMatchObject({ code: 0 });
      const values = new Map((await show()).map(({ name, value }) => [name, value]));
      for (const { name, after } of proposals) expect(values.get(name)).toBe(after);
    });
  });
});
