import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ClearTarget, TcpState } from '@lastack/core';
import {
  DestroyCode,
  destroyRows,
  destroySockets,
  GONE,
  KernelError,
  lookupRows,
  lookupSockets,
} from '@lastack/kernel';
import { Lab, pair, runScenario } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { makeAbort } from '../src/remedies/abort/mod.ts';
import { closeGracefully } from '../src/remedies/close-gracefully/mod.ts';
import { destroy } from '../src/remedies/destroy/mod.ts';
import { orphanTrial } from '../src/remedies/orphan_probe.ts';
import { contextOf, diagOf, libc, tableOf, targetsOf } from './clear_means/world.ts';
import { bundle } from './support/bundle.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces, missingOtherUsers } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const LIMIT_MS = 60_000;
const ENOENT = 2;

describe.skipIf(missingNamespaces() !== undefined)('means of clearing at the edges', { timeout: LIMIT_MS }, () => {
  let actorFile = '';
  let lab: Lab;
  beforeAll(async () => {
    actorFile = await bundleActor();
  });

  async function inPair(body: (world: Awaited<ReturnType<typeof pair>>) => Promise<void>): Promise<void> {
    lab = new Lab({ actorFile });
    try {
      await body(await pair(lab, 4));
    } finally {
      await lab.close();
    }
  }

  it('any holder of a shared socket will do, also when the first is gone', async () => {
    await runScenario('forked-holder', { family: 4, actorFile, settleLimitMs: 100 }, async (stage, _, { actors }) => {
      const [target] = await targetsOf(stage.observeIn, stage.sockets);
      expect(target.owners.length).toBe(2);
      const context = contextOf(actors);
      const elsewhere = { pid: stage.observeIn.pid, fd: 0, command: 'not a socket' };
      const gone = { pid: 4_194_303, fd: 5, command: 'gone' };
      const owners = [gone, elsewhere, target.owners[1]];
      expect(await closeGracefully.apply(context, [{ ...target, owners }])).toEqual([{ outcome: 'applied' }]);
      await expect.poll(async () => (await ss(stage.observeIn)).size, { timeout: 5_000 }).toBe(0);
      context.close();
    });
  });

  it('a descriptor that is another socket now is left alone', async () => {
    await runScenario(
      'close-wait-close-forgotten',
      { family: 4, actorFile, count: 2, settleLimitMs: 100 },
      async (stage, _, { actors }) => {
        const [one, other] = await targetsOf(stage.observeIn, stage.sockets);
        const context = contextOf(actors);
        const confused = { ...one, owners: other.owners };
        for (const remedy of [closeGracefully, makeAbort({ silent: false }), makeAbort({ silent: true })]) {
          const [attempt] = await remedy.apply(context, [confused]);
          expect(attempt).toMatchObject({ outcome: 'unsupported', todo: 'run it again' });
        }
        expect([...(await ss(stage.observeIn)).values()].map(({ state }) => state)).toEqual([
          'CLOSE_WAIT',
          'CLOSE_WAIT',
        ]);
        context.close();
      },
    );
  });

  it('a listener goes with what waits in it; its address can be listened on again', async () => {
    await inPair(async ({ server, client, serverAddress }) => {
      const at = { address: serverAddress, port: 8_080 };
      const { fd } = await server.call('listen', { at, backlog: 8 });
      const opened = await client.call('connectMany', { to: at, count: 2, limitMs: 5_000 });
      const [listener] = await targetsOf(server, [{ local: at, remote: { address: '0.0.0.0', port: 0 } }]);
      expect([listener.state, destroy.preview(listener).lostBytes]).toEqual([TcpState.LISTEN, 0]);
      const context = contextOf(lab.actors);
      expect(await destroy.apply(context, [listener])).toEqual([{ outcome: 'applied' }]);
      expect(await lookupSockets(context.diag(server.netnsInode), [listener])).toEqual([{ kind: 'gone' }]);
      expect((await ss(server)).size).toBe(0);
      const read = client.call('receive', { fd: opened.fds[0], bytes: 10, limitMs: 2_000 });
      await expect(read).rejects.toMatchObject({ code: 'ECONNRESET' });
      await server.call('close', { fds: [fd] });
      await server.call('listen', { at, backlog: 8 });
      context.close();
    });
  });

  it('a merely bound socket is refused, and the kernel would not have found it either', async () => {
    await inPair(async ({ client, serverAddress, server, clientAddress }) => {
      const at = { address: serverAddress, port: 8_081 };
      await server.call('listen', { at, backlog: 8 });
      const from = { address: clientAddress, port: 33_333 };
      await client.call('connect', { to: at, from, limitMs: 5_000 });
      const [open] = await targetsOf(client, [{ local: from, remote: at }]);
      const context = contextOf(lab.actors);
      // The program bound it by name: it keeps its port without its connection.
      expect(await destroy.apply(context, [open])).toEqual([{ outcome: 'applied' }]);
      const [bound] = await targetsOf(client, [{ local: from, remote: { address: '0.0.0.0', port: 0 } }]).catch(() =>
        targetsOf(client, [{ local: from, remote: at }]),
      );
      expect([bound.state, bound.cookie]).toEqual([TcpState.BOUND_INACTIVE, open.cookie]);
      const able = { refusals: {}, destroyBreaksOrphans: false };
      for (const remedy of [destroy, closeGracefully, makeAbort({ silent: false })]) {
        expect(remedy.refuse(bound, able)?.outcome).toBe('unsupported');
      }
      const diag = context.diag(client.netnsInode);
      expect([...(await destroySockets(diag, [bound]))]).toEqual([ENOENT]);
      // As the connection it is gone, as the bound socket it is there.
      expect((await lookupSockets(diag, [open])).map(({ kind }) => kind)).toEqual(['gone']);
      expect((await lookupSockets(diag, [bound])).map(({ kind }) => kind)).toEqual(['there']);
      context.close();
    });
  });

  it('stops between sockets when interrupted, and says which were not tried', async () => {
    await runScenario(
      'close-wait-close-forgotten',
      { family: 6, actorFile, count: 3, settleLimitMs: 100 },
      async (stage, _, { actors }) => {
        const targets = await targetsOf(stage.observeIn, stage.sockets);
        const aborted = new AbortController();
        aborted.abort();
        const context = contextOf(actors, aborted);
        for (const remedy of [destroy, closeGracefully, makeAbort({ silent: false })]) {
          expect(await remedy.apply(context, targets)).toEqual([undefined, undefined, undefined]);
        }
        expect(context.entries).toEqual([]);
        expect((await ss(stage.observeIn)).size).toBe(3);
        context.close();
      },
    );
  });

  it('a vanished target, and a vanished namespace, are already gone', async () => {
    await inPair(async ({ client, server, serverAddress, clientAddress }) => {
      const at = { address: serverAddress, port: 8_082 };
      await server.call('listen', { at, backlog: 8 });
      const { fd, port } = await client.call('connect', { to: at, limitMs: 5_000 });
      const [target] = await targetsOf(client, [{ local: { address: clientAddress, port }, remote: at }]);
      await client.call('abort', { fds: [fd] });
      const context = contextOf(lab.actors);
      const elsewhere: ClearTarget = { ...target, namespaceInode: 1 };
      for (const remedy of [destroy, closeGracefully, makeAbort({ silent: false })]) {
        const attempts = await remedy.apply(context, [target, elsewhere]);
        expect(attempts.map((attempt) => attempt?.outcome)).toEqual(['already-gone', 'already-gone']);
      }
      context.close();
    });
  });

  it('lost answers make results unknown, never wrong, and do not hang', async () => {
    await inPair(async ({ client, server, serverAddress }) => {
      const at = { address: serverAddress, port: 8_083 };
      const { fd } = await server.call('listen', { at, backlog: 1_024 });
      const opened = await client.call('connectMany', { to: at, count: 400, limitMs: 20_000 });
      await server.call('acceptMany', { fd, count: 400, limitMs: 20_000 });
      const first = await tableOf(diagOf(client));
      // Half of them vanish: their answers do not fit the receive buffer.
      await client.call('abort', { fds: opened.fds.slice(0, 200) });
      const SO_RCVBUF = 8;
      const tiny = new Uint8Array(new Int32Array([1]).buffer);
      const transport = diagOf(client, {
        ...libc,
        setsockopt: (socket, level, option, value, length) =>
          libc.setsockopt(socket, level, option, option === SO_RCVBUF ? tiny : value, length),
      });
      const codes = await destroyRows(transport, first);
      const gone = new Set(opened.ports.slice(0, 200));
      const kinds = { missing: 0, unknown: 0, done: 0 };
      codes.forEach((code, row) => {
        if (code === ENOENT) {
          kinds.missing++;
          expect(gone.has(first.localPort(row))).toBe(true);
        } else if (code === DestroyCode.UNKNOWN) kinds.unknown++;
        else kinds.done++;
      });
      expect(kinds.missing + kinds.unknown).toBeGreaterThanOrEqual(200);
      expect(kinds.unknown).toBeGreaterThan(0);
      expect((await tableOf(diagOf(client))).count).toBe(0);
      // Nothing is left over in the socket to be taken for an answer to the next.
      const { where, incomplete } = await lookupRows(transport, first);
      expect([new Set(where), incomplete]).toEqual([new Set([GONE]), undefined]);
      transport.close();
    });
  });

  it('the preview counts what is lost, without SYN and FIN', async () => {
    await inPair(async ({ client, server, serverAddress, clientAddress }) => {
      const at = { address: serverAddress, port: 8_084 };
      const listener = await server.call('listen', { at, backlog: 8 });
      const { fd, port } = await client.call('connect', { to: at, limitMs: 5_000 });
      const accepted = await server.call('accept', { fd: listener.fd, limitMs: 5_000 });
      await client.call('send', { fd, bytes: 700 });
      await client.call('shutdown', { fd, how: 'write' });
      const ends = { local: { address: clientAddress, port }, remote: at };
      const mirror = { local: at, remote: ends.local };
      const closeWait = async () => (await targetsOf(server, [mirror]))[0];
      await expect.poll(async () => (await closeWait()).state, { timeout: 5_000 }).toBe(TcpState.CLOSE_WAIT);
      const target = await closeWait();
      expect(target.receiveQueueBytes).toBe(701);
      expect(destroy.preview(target).lostBytes).toBe(0);
      expect(makeAbort({ silent: false }).preview(target).lostBytes).toBe(700);
      // What destroy promises: the program still reads everything.
      const context = contextOf(lab.actors);
      await destroy.apply(context, [target]);
      const read = await server.call('receive', { fd: accepted.fd, bytes: 4_096, limitMs: 1_000 });
      expect(read).toBe(700);
      context.close();
    });
  });

  it('what destroying does to orphans here is tried once per boot', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'lastack-trial-'));
    try {
      let tries = 0;
      const unshare = (flags: number) => {
        tries++;
        return libc.unshare(flags);
      };
      const counting = { ...libc, unshare };
      const effects = capturedEffects([], { libc: () => counting });
      const home = readlinkSync('/proc/thread-self/ns/net');
      const first = await orphanTrial(effects, directory);
      expect(['ends', 'breaks']).toContain(first.verdict);
      expect(await orphanTrial(effects, directory)).toEqual(first);
      expect([tries, readlinkSync('/proc/thread-self/ns/net')]).toEqual([1, home]);
      // Another boot, or a file that somebody spoilt: tried again.
      for (const text of ['{"boot":"another","verdict":"breaks","because":"x"}', 'no JSON', '']) {
        writeFileSync(path.join(directory, 'orphan-trial.json'), text);
        expect(await orphanTrial(effects, directory)).toEqual(first);
      }
      expect(tries).toBe(4);
      const refused = { ...libc, unshare: () => -1, errno: () => 1 };
      const trial = await orphanTrial(capturedEffects([], { libc: () => refused }));
      expect(trial).toMatchObject({ verdict: 'unknown', because: expect.stringContaining('EPERM') });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('a transport that fails is told, not hidden', async () => {
    const context = contextOf([]);
    const end = { address: '127.0.0.1', port: 1 };
    const target = {
      namespaceInode: 1,
      family: 4,
      owners: [],
      cookie: 5n,
      local: end,
      remote: end,
    } as unknown as ClearTarget;
    const failing = {
      ...context,
      diag: () => {
        throw new KernelError('opening', 1);
      },
    };
    expect(await destroy.apply(failing, [target])).toMatchObject([{ outcome: 'not-permitted', todo: 'run as root' }]);
  });
});

describe.skipIf(missingNamespaces() !== undefined || missingOtherUsers() !== undefined)('without privilege', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = new Lab({ actorFile: await bundleActor() });
  });
  afterAll(() => lab.close());

  it('each means says what it lacks, and the socket stands', { timeout: LIMIT_MS }, async () => {
    const runner = await bundle('test/clear_means/unprivileged_runner.ts', 'unprivileged-runner');
    const { client, server, clientAddress, serverAddress } = await pair(lab, 4);
    const at = { address: serverAddress, port: 8_080 };
    await server.call('listen', { at, backlog: 8 });
    const { fd, port } = await client.call('connect', { to: at, limitMs: 5_000 });
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    const argv = [...nobody, process.execPath, runner, port, client.pid, fd].map(String);
    const { stdout, stderr } = await client.run('setpriv', argv);
    const told = JSON.parse(stdout || `"${stderr}"`);
    expect(told.orphanTrial).toMatchObject({ verdict: 'unknown' });
    expect(told.destroy.probe).toMatchObject({
      outcome: 'not-permitted',
      todo: expect.stringContaining('CAP_NET_ADMIN'),
    });
    expect(told.destroy.attempt).toMatchObject({
      outcome: 'not-permitted',
      todo: expect.stringContaining('CAP_NET_ADMIN'),
    });
    for (const id of ['close-gracefully', 'abort']) {
      expect([id, told[id].probe]).toEqual([id, undefined]);
      expect(told[id].refusal).toMatchObject({
        outcome: 'not-permitted',
        todo: expect.stringContaining('CAP_SYS_PTRACE'),
      });
      expect(told[id].attempt).toMatchObject({
        outcome: 'not-permitted',
        todo: expect.stringContaining('CAP_SYS_PTRACE'),
      });
    }
    const line = (await ss(client)).get(`${clientAddress}:${port} ${serverAddress}:8080`);
    expect(line).toMatchObject({ state: 'ESTABLISHED' });
    expect(await client.call('send', { fd, bytes: 10 })).toBe(10);
  });
});
