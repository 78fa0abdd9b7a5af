import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Actor, type AddressPair, pair, routed, runScenario } from '@lastack/lab';
import { beforeAll, describe, expect } from 'vitest';
import { clientSide, connections, finish, SERVICE_PORT } from '../../../lab/src/connection.ts';
import { ip } from '../../../lab/src/lab.ts';
import { COMMAND, ensureBuilt, LAB_ACTOR, outcomeOf, start } from '../support/command.ts';
import { missingNamespaces } from '../support/privileged.ts';
import { ss } from '../support/ss.ts';
import { check, cutBoth, has, inLab, mirrored, run, seen, set, stateOf, untilState } from './check.ts';

/** The built command inside a namespace, with a journal of its own. */
async function lastackIn(actor: Actor, args: string[]) {
  const home = mkdtempSync(path.join(tmpdir(), 'lastack-advice-'));
  const [program, ...rest] = actor.enter([process.execPath, COMMAND, ...args]);
  try {
    return await outcomeOf(start(program, rest, { env: { ...process.env, XDG_STATE_HOME: home } }));
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** An end in CLOSE_WAIT whose program has forgotten it, in a lab of its own. */
function forgotten(body: (client: Actor, one: AddressPair, fd: number) => Promise<void>): Promise<void> {
  return inLab(async (lab) => {
    const world = await pair(lab, 4);
    const all = await connections(world, 1);
    const [one] = clientSide(world, all);
    await finish(world.server, [all[0].serverFd], 'shutdown');
    await untilState(world.client, one, 'CLOSE_WAIT');
    await body(world.client, one, all[0].clientFd);
  });
}

describe.skipIf(missingNamespaces() !== undefined)('verdicts on tools, signals and beliefs, on this kernel', () => {
  beforeAll(ensureBuilt, 120_000);

  check('ss-kill-hides-failure', 'exit code 0 where nothing matched; without a filter everything goes', ({ skip }) =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      const pairs = clientSide(world, await connections(world, 2));
      const { code, stdout } = await world.client.run('ss', ['-HK', 'dst', '192.0.2.1']);
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
      for (const one of pairs) expect(await stateOf(world.client, one)).toBe('ESTABLISHED');
      await world.client.run('ss', ['-tnK']);
      const states = await Promise.all(pairs.map((one) => stateOf(world.client, one)));
      if (states[0] === 'ESTABLISHED') skip('this kernel has no SOCK_DESTROY');
      expect(states).toEqual([undefined, undefined]);
    }),
  );

  check('reset-needs-no-sock-destroy', 'the mechanism of killcx ends a CLOSE_WAIT', () =>
    forgotten(async (client, one) => {
      const { code, err } = await lastackIn(client, ['clear', 'state', 'close-wait', '--method', 'reset', '--yes']);
      expect({ code, err }).toMatchObject({ code: 0 });
      expect(await stateOf(client, one)).toBeUndefined();
    }),
  );

  check('gdb-close-is-not-needed', 'the FIN is sent while the program runs on, and its descriptor stays its own', () =>
    forgotten(async (client, one, fd) => {
      const held = () => run(client, 'readlink', [`/proc/${client.pid}/fd/${fd}`]);
      const before = await held();
      const args = ['clear', 'state', 'close-wait', '--method', 'close-gracefully', '--yes'];
      expect(await lastackIn(client, args)).toMatchObject({ code: 0 });
      expect(await stateOf(client, one)).toBeUndefined();
      expect(before).toMatch(/^socket:/);
      expect(await held()).toBe(before);
      expect(await run(client, 'cat', [`/proc/${client.pid}/status`])).toContain('TracerPid:\t0');
    }),
  );

  check('route-flush-does-nothing', 'the socket keeps its state, its timer and its cookie', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const all = await connections(world, 1);
      const [one] = clientSide(world, all);
      await cutBoth(world);
      await finish(world.client, [all[0].clientFd], 'close');
      await sleep(1_500);
      const before = await seen(world.client, one);
      await run(world.client, 'ip', ['route', 'flush', 'cache']);
      await sleep(2_000);
      const { cookie } = before ?? {};
      expect(before?.state).toBe('FIN_WAIT1');
      expect(await seen(world.client, one)).toMatchObject({
        state: 'FIN_WAIT1',
        timer: { kind: 'retransmit' },
        cookie,
      });
    }),
  );

  check('orphans-have-no-program', 'ss names none for them', async () => {
    const options = { family: 4 as const, actorFile: LAB_ACTOR };
    await runScenario('fin-wait-1-blackhole-orphan', options, async ({ observeIn }) => {
      const orphans = [...(await ss(observeIn)).values()].filter(({ state }) => state === 'FIN_WAIT1');
      expect(orphans).toHaveLength(6);
      for (const { inode, holders } of orphans) expect({ inode, holders }).toEqual({ inode: 0, holders: [] });
    });
  });

  check('kill-9-makes-orphans', 'what its connection had not delivered goes on without it', () =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      const doomed = await lab.companion('lab-doomed', world.client);
      const to = { address: world.serverAddress, port: SERVICE_PORT };
      await world.server.call('listen', { at: to, backlog: 4 });
      const { fd, port } = await doomed.call('connect', { to, limitMs: 10_000 });
      const one = { local: { address: world.clientAddress, port }, remote: to };
      await cutBoth(world);
      await doomed.call('send', { fd, bytes: 500 });
      expect((await seen(world.client, one))?.holders.map(({ pid }) => pid)).toEqual([doomed.pid]);
      process.kill(doomed.pid, 'SIGKILL');
      await untilState(world.client, one, 'FIN_WAIT1');
      expect(await seen(world.client, one)).toMatchObject({ inode: 0, holders: [], sendQueue: 501 });
      // Once more finds nobody to kill: the socket stays.
      await sleep(2_000);
      expect(await stateOf(world.client, one)).toBe('FIN_WAIT1');
    }),
  );

  check('link-down-keeps-sockets', 'also when the address goes and comes back', () =>
    inLab(async (lab) => {
      const world = await pair(lab, 4);
      const all = await connections(world, 2);
      const [open, closing] = clientSide(world, all);
      const cookies = [(await seen(world.client, open))?.cookie, (await seen(world.client, closing))?.cookie];
      await ip(world.client, ['link set lab0 down']);
      await finish(world.client, [all[1].clientFd], 'close');
      await sleep(1_000);
      await ip(world.client, [`address del ${world.clientAddress}/24 dev lab0`]);
      expect(await seen(world.client, closing)).toMatchObject({ state: 'FIN_WAIT1', cookie: cookies[1] });
      await ip(world.client, [`address add ${world.clientAddress}/24 dev lab0`]);
      await ip(world.client, ['link set lab0 up']);
      expect(await seen(world.client, open)).toMatchObject({ state: 'ESTABLISHED', cookie: cookies[0] });
      await world.client.call('send', { fd: all[0].clientFd, bytes: 1 });
      expect(await world.server.call('receive', { fd: all[0].serverFd, bytes: 8, limitMs: 20_000 })).toBe(1);
      expect(await stateOf(world.server, mirrored(open))).toBe('ESTABLISHED');
    }),
  );

  check('zero-window-orphan-ends-held-stays', 'both answered; with a short longest interval', ({ skip }) =>
    inLab(async (lab) => {
      const world = await routed(lab, 4);
      if (!(await has(world.client, 'tcp_rto_max_ms'))) skip('this kernel has no tcp_rto_max_ms: it would take 340 s');
      await set(world.client, { tcp_rto_max_ms: 1_000 });
      const buffers = { client: { SO_SNDBUF: 16_384 }, server: { SO_RCVBUF: 16_384 } };
      const all = await connections(world, 2, buffers);
      const [orphan, held] = clientSide(world, all);
      for (const { clientFd } of all) await world.client.call('fill', { fd: clientFd, quietMs: 150 });
      await finish(world.client, [all[0].clientFd], 'close');
      await finish(world.client, [all[1].clientFd], 'shutdown');
      await untilState(world.client, orphan, undefined, 30_000);
      await sleep(4_000);
      expect(await seen(world.client, held)).toMatchObject({
        state: 'FIN_WAIT1',
        timer: { kind: 'zero-window-probe', retries: 0 },
      });
    }),
  );

  check('close-wait-has-no-timer', 'and stays', () =>
    forgotten(async (client, one) => {
      expect(await seen(client, one)).toMatchObject({ state: 'CLOSE_WAIT', timer: undefined });
      await sleep(3_000);
      expect(await seen(client, one)).toMatchObject({ state: 'CLOSE_WAIT', timer: undefined });
    }),
  );
});
