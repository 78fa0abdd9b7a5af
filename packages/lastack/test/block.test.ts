import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findNft, openNft, readFileIfThere, withNamespace } from '@lastack/kernel';
import { type Actor, type AddressPair, Lab, pair, routed, type World } from '@lastack/lab';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { blockCommand } from '../src/cli/commands/block.ts';
import { UserError } from '../src/effects.ts';
import { openJournal } from '../src/journal/open.ts';
import { type Block, blockOf } from '../src/remedies/block/block.ts';
import { blocksInForce, putInForce, takeOutOfForce } from '../src/remedies/block/in_force.ts';
import { makeBlock } from '../src/remedies/block/mod.ts';
import {
  forgetPermanent,
  makePermanent,
  missingForBoot,
  permanentBlocks,
  permanentText,
} from '../src/remedies/block/permanent.ts';
import { removeBlocks } from '../src/remedies/block/remove.ts';
import { makeBlockUndo } from '../src/remedies/block/undo.ts';
import { DOCUMENTS } from '../src/report/schemas.ts';
import { contextOf, libc, targetsOf } from './clear_means/world.ts';
import { type CapturedEffects, capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const LIMIT_MS = 60_000;
const PORT = 8080;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lastack-block-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const nft = openNft(findNft(process.env.PATH) ?? 'nft');

/** Runs work with this thread in the actor's namespace. */
function inside<T>(actor: Actor, work: () => { value: T }): T {
  const done = withNamespace({ path: `/proc/${actor.pid}/ns/net`, label: actor.name }, libc, work);
  if (!done.ok) throw new Error(done.note.because);
  return done.value.value;
}

const present = (actor: Actor) => inside(actor, () => ({ value: blocksInForce(nft) }));

interface Opened extends World {
  clientFds: number[];
  serverFds: number[];
  sockets: AddressPair[];
}

async function open(world: World, count: number): Promise<Opened> {
  const at = { address: world.serverAddress, port: PORT };
  const listener = await world.server.call('listen', { at, backlog: 16 });
  const { fds, ports } = await world.client.call('connectMany', { to: at, count, limitMs: 10_000 });
  const accepted = await world.server.call('acceptMany', { fd: listener.fd, count, limitMs: 10_000 });
  const byPort = new Map(accepted.ports.map((port, index) => [port, accepted.fds[index]]));
  const sockets = ports.map((port) => ({ local: { address: world.clientAddress, port }, remote: at }));
  return { ...world, clientFds: fds, serverFds: ports.map((port) => byPort.get(port) ?? -1), sockets };
}

/** State of one end by ss; undefined when it is gone. */
async function stateOf(actor: Actor, { local, remote }: AddressPair): Promise<string | undefined> {
  const written = ({ address, port }: AddressPair['local']) =>
    `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return (await ss(actor)).get(`${written(local)} ${written(remote)}`)?.state;
}

async function eventually(look: () => Promise<boolean>, limitMs = 10_000): Promise<boolean> {
  for (const until = Date.now() + limitMs; Date.now() < until; await sleep(50)) if (await look()) return true;
  return false;
}

const mirrored = ({ local, remote }: AddressPair): AddressPair => ({ local: remote, remote: local });
const tables = async (actor: Actor) => (await actor.run('nft', ['list', 'tables'])).stdout.trim();

const skip = missingNamespaces() !== undefined;

describe.skipIf(skip).each([4, 6] as const)('block on real connections over IPv%i', { timeout: LIMIT_MS }, (family) => {
  let lab: Lab;
  beforeEach(async () => {
    lab = new Lab({ actorFile: await bundleActor() });
  });
  afterEach(() => lab.close());

  it('reject clears an end that retransmits, and leaves the peer as it was', async () => {
    const world = await open(await routed(lab, family), 3);
    await world.cut?.('both');
    const { client, server, sockets, clientFds } = world;
    for (const fd of clientFds) await client.call('shutdown', { fd, how: 'write' });
    const context = contextOf([client]);
    const [target] = await targetsOf(client, sockets.slice(0, 1));
    expect(target.state).toBe(4);
    const [attempt] = await makeBlock({ verdict: 'reject', timeoutMs: 60_000 }).apply(context, [target]);
    context.close();
    expect(attempt).toMatchObject({ outcome: 'applied', remains: expect.stringContaining("peer's end") });
    expect(await eventually(async () => (await stateOf(client, sockets[0])) === undefined)).toBe(true);
    // The others retransmit on, and the peer has heard of nothing.
    for (const other of sockets.slice(1)) expect(await stateOf(client, other)).toBe('FIN_WAIT1');
    expect(await stateOf(server, mirrored(sockets[0]))).toBe('ESTABLISHED');
  });

  it('drop clears nothing', async () => {
    const { client, server, sockets, clientFds } = await open(await pair(lab, family), 2);
    const context = contextOf([client]);
    const [target] = await targetsOf(client, sockets.slice(0, 1));
    const remedy = makeBlock({ verdict: 'drop', timeoutMs: 60_000 });
    expect(remedy.preview(target).remains).toContain('longer than without');
    expect(await remedy.apply(context, [target])).toMatchObject([{ outcome: 'applied' }]);
    context.close();
    for (const fd of clientFds) await client.call('shutdown', { fd, how: 'write' });
    expect(await eventually(async () => (await stateOf(client, sockets[1])) === 'FIN_WAIT2')).toBe(true);
    await sleep(1_500);
    expect(await stateOf(client, sockets[0])).toBe('FIN_WAIT1');
    expect(await stateOf(server, mirrored(sockets[0]))).toBe('ESTABLISHED');
  });

  it('an idle end is cleared once it sends, from either side, and others are untouched', async () => {
    const { client, server, sockets, clientFds, serverFds } = await open(await pair(lab, family), 3);
    const context = contextOf([client]);
    const targets = await targetsOf(client, sockets);
    const remedy = makeBlock({ verdict: 'reject', timeoutMs: 60_000 });
    expect(remedy.preview(targets[0]).remains).toContain('a rule clears no idle socket');
    await remedy.apply(context, targets.slice(0, 2));
    context.close();
    await sleep(300);
    expect(await stateOf(client, sockets[0])).toBe('ESTABLISHED');
    await client.call('send', { fd: clientFds[0], bytes: 5 });
    expect(await eventually(async () => (await stateOf(client, sockets[0])) === undefined)).toBe(true);
    expect(await client.call('pendingError', { fd: clientFds[0] })).toBe(104);
    expect(await stateOf(server, mirrored(sockets[0]))).toBe('ESTABLISHED');
    // What the peer sends meets the rule here, and the reset goes back to it.
    await server.call('send', { fd: serverFds[1], bytes: 5 });
    expect(await eventually(async () => (await stateOf(server, mirrored(sockets[1]))) === undefined)).toBe(true);
    await client.call('send', { fd: clientFds[2], bytes: 5 });
    expect(await server.call('receive', { fd: serverFds[2], bytes: 16, limitMs: 5_000 })).toBe(5);
  });

  it('expires, is replaced, removed one by one, and leaves no table behind', async () => {
    const { client } = await pair(lab, family);
    const end = (last: number) => ({ address: family === 4 ? `10.1.1.${last}` : `fd00::${last}`, port: 1000 + last });
    const [first, second] = [blockOf(end(1), end(2), 'reject', 1_000), blockOf(end(3), end(4), 'drop', 600_000)];
    inside(client, () => ({ value: putInForce(nft, [first, second]) }));
    expect(
      present(client)
        .map(({ verdict, timeoutMs }) => [verdict, timeoutMs])
        .sort(),
    ).toEqual([
      ['drop', 600_000],
      ['reject', 1_000],
    ]);
    expect(await eventually(async () => present(client).length === 1)).toBe(true);
    // The other way round it is the same connection: one block, with the new verdict and time.
    const again: Block = { ...blockOf(second.remote, second.local, 'reject', 30_000) };
    inside(client, () => ({ value: putInForce(nft, [again]) }));
    const [now, ...more] = present(client);
    expect(more).toEqual([]);
    expect(now).toMatchObject({ verdict: 'reject', timeoutMs: 30_000, local: again.local, remote: again.remote });
    expect(now.leftMs).toBeLessThanOrEqual(30_000);
    inside(client, () => ({ value: takeOutOfForce(nft, [first]) }));
    expect(present(client)).toHaveLength(1);
    inside(client, () => ({ value: takeOutOfForce(nft, [second]) }));
    expect(await tables(client)).toBe('');
    inside(client, () => ({ value: takeOutOfForce(nft, [second]) }));
  });

  it('the file makes the very rules that the JSON interface makes, also when it is loaded twice', async () => {
    const { client } = await pair(lab, family);
    const address = family === 4 ? ['10.1.1.1', '10.1.1.2'] : ['fd00::1', 'fd00::2'];
    const block = blockOf({ address: address[0], port: 80 }, { address: address[1], port: 443 }, 'reject');
    const listing = async () =>
      (await client.run('nft', ['list', 'table', 'inet', 'lastack'])).stdout.replace(/ # handle \d+/g, '');
    inside(client, () => ({ value: putInForce(nft, [block]) }));
    const byJson = await listing();
    expect(byJson.match(/reject with tcp reset/g)).toHaveLength(12);
    inside(client, () => ({ value: takeOutOfForce(nft, [block]) }));
    const file = path.join(folder, 'blocks.nft');
    writeFileSync(file, permanentText([block]));
    for (let time = 0; time < 2; time++) {
      expect(await client.run('nft', ['-f', file])).toMatchObject({ code: 0, stderr: '' });
      expect(await listing()).toBe(byJson);
    }
    expect(present(client)).toEqual([block]);
  });
});

describe.skipIf(skip)('block, the remedy', { timeout: LIMIT_MS }, () => {
  let lab: Lab;
  let world: Opened;
  beforeAll(async () => {
    lab = new Lab({ actorFile: await bundleActor() });
    world = await open(await pair(lab, 4), 4);
  });
  afterAll(() => lab.close());

  it('makes no rule for a socket that is gone or another', async () => {
    const targets = await targetsOf(world.client, world.sockets);
    const context = contextOf([world.client]);
    try {
      const remedy = makeBlock({ verdict: 'reject', timeoutMs: 60_000 });
      await world.client.call('abort', { fds: [world.clientFds[3]] });
      const stranger = { ...targets[0], cookie: targets[0].cookie + 1n };
      expect(await remedy.apply(context, [targets[3], stranger])).toMatchObject([
        { outcome: 'already-gone' },
        { outcome: 'identity-changed' },
      ]);
      expect(context.entries).toEqual([]);
      expect(await tables(world.client)).toBe('');
    } finally {
      context.close();
    }
  });

  it('writes the journal first, and undo brings back what stood before', async () => {
    const [target] = await targetsOf(world.client, world.sockets.slice(0, 1));
    const context = contextOf([world.client]);
    const effects = capturedEffects([], { env: { PATH: process.env.PATH, XDG_STATE_HOME: folder } });
    const journal = openJournal(effects);
    try {
      const real = { ...context, effects, journal };
      await makeBlock({ verdict: 'drop', timeoutMs: 600_000 }).apply(real, [target]);
      await makeBlock({ verdict: 'reject', timeoutMs: 60_000 }).apply(real, [target]);
      const [first, , second] = journal.read().entries;
      expect([first, second].map(({ phase, action }) => [phase, action])).toEqual([
        ['begin', 'block'],
        ['begin', 'block'],
      ]);
      expect(second.data).toMatchObject({ replaced: [{ verdict: 'drop', untilMs: expect.any(Number) }] });
      const undo = makeBlockUndo(folder);
      expect(undo.describe(second)).toMatch(
        /^remove the block of 10\.77\.0\.1:\d+-10\.77\.0\.2:8080 \(reject for 1 min\) of/,
      );
      expect(await undo.canUndo(first, effects)).toEqual({ over: expect.stringContaining('no longer in force') });
      expect(await undo.canUndo(first, effects, [second])).toBeUndefined();
      expect(await undo.canUndo(second, effects)).toBeUndefined();
      await undo.undo(second, effects);
      const [back] = present(world.client);
      expect(back.verdict).toBe('drop');
      expect(back.leftMs).toBeGreaterThan(500_000);
      await undo.undo(first, effects);
      expect(await tables(world.client)).toBe('');
      expect(await undo.canUndo(first, effects)).toEqual({ over: expect.stringContaining('no longer in force') });
    } finally {
      context.close();
    }
  });

  it('says what is wrong with a table of the same name that is not its own', async () => {
    await world.client.run('nft', ['add table inet lastack']);
    const block = blockOf({ address: '10.1.1.1', port: 1 }, { address: '10.1.1.2', port: 2 }, 'drop', 1_000);
    expect(() => inside(world.client, () => ({ value: putInForce(nft, [block]) }))).toThrow('not made by this version');
    await world.client.run('nft', ['delete table inet lastack']);
  });

  it('blocks a thousand connections in moments', async () => {
    const blocks = Array.from({ length: 1_000 }, (_, index) =>
      blockOf({ address: '10.1.1.1', port: 80 }, { address: '10.2.0.1', port: 1_000 + index }, 'reject', 600_000),
    );
    inside(world.client, () => ({ value: putInForce(nft, blocks) }));
    expect(present(world.client)).toHaveLength(1_000);
    inside(world.client, () => ({ value: takeOutOfForce(nft, blocks) }));
    expect(await tables(world.client)).toBe('');
  });

  it('the command: add by cookie, list, remove, by what is printed', async () => {
    const [, target] = await targetsOf(world.client, world.sockets.slice(0, 2));
    const run = async (...argv: string[]) => {
      let code = -1;
      const effects: CapturedEffects = capturedEffects(argv, {
        env: { PATH: process.env.PATH, XDG_STATE_HOME: folder },
      });
      const program = new Command().exitOverride();
      blockCommand(program, effects, (result) => (code = result), folder);
      await program.parseAsync(argv, { from: 'user' });
      return { code, ...effects.written };
    };
    const cookie = `cookie:${target.cookie.toString(16)}`;
    const connection = `10.77.0.1:${target.local.port}-10.77.0.2:${PORT}`;
    const dry = await run('block', 'add', cookie, '--drop', '--dry-run');
    expect(dry.out).toContain(`would block ${connection} (drop) for 10 min`);
    expect(dry.out).toContain('it will not clear: the socket, and longer');
    expect(await tables(world.client)).toBe('');
    const added = await run('block', 'add', cookie, '--for', '2m');
    expect(added).toMatchObject({ code: 0, err: '' });
    expect(added.out).toMatch(/^blocked .* \(reject\) for 2 min in .*; to take it back: lastack undo 1\n/);
    const listed = JSON.parse((await run('block', 'list', '--json')).out);
    expect(listed).toMatchObject({ schema: 'lastack.blocks/1' });
    expect(listed.blocks).toContainEqual(
      expect.objectContaining({ local: target.local, remote: target.remote, verdict: 'reject', permanent: false }),
    );
    expect((await run('block', 'list', '--own-netns')).out).not.toContain(connection);
    expect((await run('block', 'list', '--all-netns')).out).toMatch(new RegExp(`${connection}\\s+reject\\s+1 min`));
    await expect(run('block', 'add', cookie, '--permanent')).rejects.toThrow('does not outlive a restart');
    await expect(run('block', 'add', cookie, '--for', '2x')).rejects.toThrow('not a time');
    await expect(run('block', 'add', cookie, '--reject', '--drop')).rejects.toThrow('exclude');
    await expect(run('block', 'remove')).rejects.toThrow(UserError);
    // Those of this world are elsewhere, and a bare --all does not reach there.
    expect((await run('block', 'remove', '--all', '--dry-run')).out).not.toContain(connection);
    expect((await run('block', 'remove', connection, '--dry-run')).out).toContain('would remove 1 block');
    const removed = await run('block', 'remove', cookie);
    expect(removed).toMatchObject({ code: 0, out: expect.stringContaining('removed 1 block') });
    expect(await tables(world.client)).toBe('');
    expect(await run('block', 'remove', connection)).toMatchObject({ code: 1, out: '' });
  });

  it('the command prints one JSON document for add and remove, valid by its schema', async () => {
    const [, target] = await targetsOf(world.client, world.sockets.slice(0, 2));
    const run = async <Name extends 'lastack.blocked/1' | 'lastack.unblocked/1'>(name: Name, ...argv: string[]) => {
      const env = { PATH: process.env.PATH, XDG_STATE_HOME: folder };
      const effects: CapturedEffects = capturedEffects(argv, { env });
      const program = new Command().exitOverride();
      let code = -1;
      blockCommand(program, effects, (result) => (code = result), folder);
      await program.parseAsync(['block', ...argv, '--json'], { from: 'user' });
      const document = JSON.parse(effects.written.out);
      DOCUMENTS[name].schema.parse(document);
      expect(document.schema).toBe(name);
      return { code, ...document };
    };
    const cookie = `cookie:${target.cookie.toString(16)}`;
    const connection = `10.77.0.1:${target.local.port}-10.77.0.2:${PORT}`;
    const { local, remote } = target;
    const block = { local, remote, verdict: 'reject', permanent: false };

    const dry = await run('lastack.blocked/1', 'add', cookie, '--for', '2m', '--dry-run');
    expect(dry).toMatchObject({ code: 0, dryRun: true, blocks: [{ ...block, forMs: 120_000 }], todo: [] });
    expect(dry.blocks[0].socket).toMatchObject({ cookie: target.cookie.toString(16), state: 'ESTABLISHED' });
    expect(dry).not.toHaveProperty('entry');
    expect(await tables(world.client)).toBe('');

    const added = await run('lastack.blocked/1', 'add', cookie, '--for', '2m');
    expect(added).toMatchObject({ code: 0, dryRun: false, entry: 1, blocks: dry.blocks });
    expect(await tables(world.client)).not.toBe('');
    expect(await run('lastack.blocked/1', 'add', 'cookie:ffffffffffffff')).toMatchObject({ code: 1, blocks: [] });

    const planned = await run('lastack.unblocked/1', 'remove', connection, '--dry-run');
    expect(planned).toMatchObject({ code: 0, dryRun: true, blocks: [{ ...block, inForce: true, outcome: 'planned' }] });
    expect(await tables(world.client)).not.toBe('');
    const removed = await run('lastack.unblocked/1', 'remove', connection);
    expect(removed).toMatchObject({ code: 0, dryRun: false, blocks: [{ ...block, outcome: 'removed', entry: 3 }] });
    expect(await tables(world.client)).toBe('');
    expect(await run('lastack.unblocked/1', 'remove', connection)).toMatchObject({ code: 1, blocks: [] });
  });

  it('a block whose namespace cannot be entered is not said to be removed', () => {
    const effects = capturedEffects([], { env: { PATH: process.env.PATH, XDG_STATE_HOME: folder } });
    const journal = openJournal(effects);
    const namespace = { inode: 1, label: 'web1', path: path.join(folder, 'no-such-namespace') };
    const ends = { local: { address: '10.1.1.1', port: 80 }, remote: { address: '10.1.1.2', port: 4000 } };
    const block = { ...ends, verdict: 'drop' as const, namespace, permanent: false, inForce: true };
    const because = expect.stringMatching(/^network namespace web1 not read: /);
    expect(removeBlocks(effects, journal, [block], folder)).toEqual([{ block, entry: 1, because }]);
    expect(journal.read().entries.at(-1)?.summary).toMatch(/: failed: network namespace web1 not read: /);
  });

  it('the command leaves the connection of the login alone', async () => {
    const [{ local, remote }] = world.sockets;
    const effects = capturedEffects([], {
      env: { SSH_CONNECTION: `${remote.address} ${remote.port} ${local.address} ${local.port}` },
    });
    const program = new Command().exitOverride();
    blockCommand(program, effects, () => undefined, folder);
    const argv = ['block', 'add', `${remote.address}:${remote.port}-${local.address}:${local.port}`];
    await expect(program.parseAsync(argv, { from: 'user' })).rejects.toThrow('carries the present login');
    expect(await tables(world.client)).toBe('');
  });
});

describe('permanent blocks', () => {
  const block = (last: number): Block => ({
    verdict: 'reject',
    local: { address: '10.1.1.1', port: 80 },
    remote: { address: `10.1.2.${last}`, port: 4000 },
  });

  it('are kept in a file of their own, which is gone with the last', () => {
    makePermanent(folder, [block(1), block(2)]);
    makePermanent(folder, [{ ...block(1), verdict: 'drop' }]);
    expect(permanentBlocks(folder)).toEqual([block(2), { ...block(1), verdict: 'drop' }]);
    expect(forgetPermanent(folder, [block(2), block(3)])).toEqual([block(2)]);
    expect(readFileSync(path.join(folder, 'lastack/blocks.nft'), 'utf8')).not.toContain('10.1.2.2');
    forgetPermanent(folder, [block(1)]);
    expect(readFileIfThere(path.join(folder, 'lastack/blocks.nft'))).toBeUndefined();
  });

  it('are not taken from lines that are none', () => {
    mkdirSync(path.join(folder, 'lastack'));
    const lines = ['# block {"verdict":"reject"', '# block []', '# block {"verdict":"accept"}', '# block null'];
    const evil = JSON.stringify({ ...block(1), local: { address: '10.1.1.1 }; flush ruleset #', port: 80 } });
    writeFileSync(path.join(folder, 'lastack/blocks.nft'), [...lines, `# block ${evil}`].join('\n'));
    expect(permanentBlocks(folder)).toEqual([]);
  });

  it('what is missing for them to be loaded is said, and no file of others is changed', () => {
    const own = path.join(folder, 'lastack/blocks.nft');
    const configuration = path.join(folder, 'nftables.conf');
    expect(missingForBoot(folder)).toEqual([
      `add this line at the end of ${configuration} (to be made): include "${own}"`,
      'have it loaded when the host starts: systemctl enable nftables',
    ]);
    writeFileSync(configuration, `#include "${own}"\nflush ruleset\n`);
    expect(missingForBoot(folder)[0]).toBe(`add this line at the end of ${configuration}: include "${own}"`);
    for (const line of [`include "${own}"`, `\tinclude "${folder}/lastack/*.nft"`]) {
      writeFileSync(configuration, `flush ruleset\n${line}\n`);
      expect(missingForBoot(folder)).toHaveLength(1);
    }
    const wants = path.join(folder, 'systemd/system/sysinit.target.wants');
    mkdirSync(wants, { recursive: true });
    symlinkSync(configuration, path.join(wants, 'nftables.service'));
    expect(missingForBoot(folder)).toEqual([]);
    makePermanent(folder, [block(1)]);
    expect(readFileSync(configuration, 'utf8')).toBe(`flush ruleset\n\tinclude "${folder}/lastack/*.nft"\n`);
  });
});

describe('the nft program', () => {
  it('is found in PATH or where administrators have it, and may be missing', () => {
    expect(findNft('', [])).toBeUndefined();
    expect(findNft('relative:/nonexistent', [])).toBeUndefined();
    writeFileSync(path.join(folder, 'nft'), '', { mode: 0o644 });
    expect(findNft(folder, [])).toBeUndefined();
    writeFileSync(path.join(folder, 'nft'), '', { mode: 0o755 });
    rmSync(path.join(folder, 'nft'));
    writeFileSync(path.join(folder, 'nft'), '#!/bin/sh\necho "Error: no \x1b[31mrule" >&2; exit 1\n', { mode: 0o755 });
    expect(findNft(folder, [])).toBe(path.join(folder, 'nft'));
    const broken = openNft(path.join(folder, 'nft'));
    expect(() => broken.apply([{ list: {} }])).toThrow(/^changing nftables: nft: no \?\[31mrule \(EINVAL\)$/);
  });

  it('that prints nonsense is an error, never an empty list', () => {
    writeFileSync(path.join(folder, 'nft'), '#!/bin/sh\necho "{}"\n', { mode: 0o755 });
    expect(() => openNft(path.join(folder, 'nft')).listTable('inet', 'lastack')).toThrow('no JSON list');
  });
});
