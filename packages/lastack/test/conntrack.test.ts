import { setTimeout as sleep } from 'node:timers/promises';
import type { ClearTarget } from '@lastack/core';
import { type Actor, type AddressPair, Lab, pair, type World } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { conntrackCell } from '../src/cli/render/conntrack_cell.ts';
import { conntrackOf, entryOf } from '../src/engine/conntrack.ts';
import { closeNamespaces, observe } from '../src/engine/observation.ts';
import { conntrack, conntrackRefusal } from '../src/remedies/conntrack/mod.ts';
import { conntrackJson } from '../src/report/conntrack_json.ts';
import { contextOf, targetsOf } from './clear_means/world.ts';
import { capturedEffects } from './support/effects.ts';
import { missingNamespaces } from './support/privileged.ts';
import { ss } from './support/ss.ts';

const TRACKING = 'table inet t { chain o { type filter hook output priority 0; ct state established accept; }; }';
const TRACKING_V4 = 'table ip t { chain o { type filter hook output priority 0; ct state established accept; }; }';

interface Opened {
  world: World;
  clientFds: number[];
  sockets: AddressPair[];
}

async function open(world: World, port: number, count: number): Promise<Opened> {
  const at = { address: world.serverAddress, port };
  const listener = await world.server.call('listen', { at, backlog: 16 });
  const { fds, ports } = await world.client.call('connectMany', { to: at, count, limitMs: 10_000 });
  await world.server.call('acceptMany', { fd: listener.fd, count, limitMs: 10_000 });
  const sockets = ports.map((clientPort) => ({
    local: { address: world.clientAddress, port: clientPort },
    remote: at,
  }));
  return { world, clientFds: fds, sockets };
}

/** What the conntrack program shows, one line an entry, by the ports of the original direction. */
async function shown(actor: Actor, family: 4 | 6): Promise<Map<string, string>> {
  const { stdout, stderr } = await actor.run('conntrack', ['-L', '-f', `ipv${family}`, '-p', 'tcp', '-o', 'id']);
  expect(stderr).toContain('flow entries have been shown');
  const lines = stdout.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [(/sport=(\d+) dport=(\d+)/.exec(line) ?? []).slice(1).join(' '), line]));
}

const portsOf = ({ local, remote }: AddressPair | ClearTarget) => `${local.port} ${remote.port}`;

describe.skipIf(missingNamespaces() !== undefined).each([4, 6] as const)('conntrack over IPv%i', (family) => {
  let lab: Lab;
  let opened: Opened;
  let client: Actor;

  beforeAll(async () => {
    lab = new Lab({ actorFile: await bundleActor() });
    const world = await pair(lab, family);
    ({ client } = world);
    expect(await client.run('nft', [TRACKING])).toMatchObject({ code: 0 });
    opened = await open(world, 8080, 4);
  });

  afterAll(() => lab.close());

  it('deletes the one entry, leaves every other and the socket, and says so', async () => {
    const [target] = await targetsOf(client, opened.sockets.slice(0, 1));
    const before = await shown(client, family);
    expect([...before.keys()]).toContain(portsOf(target));
    const context = contextOf([client]);
    try {
      const [attempt] = await conntrack.apply(context, [target]);
      expect(attempt).toEqual({
        outcome: 'applied',
        remains: 'the socket itself: only the firewall forgets the connection; its entry is gone',
      });
      expect(context.entries.map(({ phase, action }) => [phase, action])).toEqual([
        ['begin', 'conntrack'],
        ['end', 'conntrack'],
      ]);
      const after = await shown(client, family);
      expect([...before.keys()].filter((ports) => !after.has(ports))).toEqual([portsOf(target)]);
      const lines = await ss(client);
      expect([...lines.values()].filter(({ state }) => state === 'ESTABLISHED')).toHaveLength(4);
      expect(await conntrack.apply(context, [target])).toEqual([
        { outcome: 'unsupported', because: 'conntrack has no entry for it in lab-client' },
      ]);
    } finally {
      context.close();
    }
  });

  it('does not keep the next packet from making a new entry', async () => {
    const [, target] = await targetsOf(client, opened.sockets.slice(0, 2));
    const context = contextOf([client]);
    try {
      await conntrack.apply(context, [target]);
      expect([...(await shown(client, family)).keys()]).not.toContain(portsOf(target));
      await client.call('send', { fd: opened.clientFds[1], bytes: 10 });
      expect([...(await shown(client, family)).keys()]).toContain(portsOf(target));
    } finally {
      context.close();
    }
  });

  it('leaves the entry of a later connection with the same addresses alone', async () => {
    const [, , target, closed] = await targetsOf(client, opened.sockets);
    const before = await shown(client, family);
    const context = contextOf([client]);
    try {
      const stranger = { ...target, cookie: target.cookie + 1n };
      expect(await conntrack.apply(context, [stranger])).toMatchObject([{ outcome: 'identity-changed' }]);
      await client.call('abort', { fds: [opened.clientFds[3]] });
      expect(await conntrack.apply(context, [closed])).toEqual([{ outcome: 'already-gone' }]);
      expect([...(await shown(client, family)).keys()].sort()).toEqual([...before.keys()].sort());
    } finally {
      context.close();
    }
  });

  it('is found beside its socket, as the conntrack program shows it', async () => {
    const observation = await observe(capturedEffects([]), [client.netnsInode]);
    try {
      const [{ table, ref }] = observation.namespaces;
      const index = await conntrackOf(capturedEffects([]), ref, observation.notes);
      expect(observation.notes).toEqual([]);
      const oracle = await shown(client, family);
      let found = 0;
      for (let row = 0; row < table.count; row++) {
        const line = oracle.get(`${table.localPort(row)} ${table.remotePort(row)}`);
        const cell = conntrackCell(index, table, row);
        if (!line) {
          expect(cell).toBe('none');
          continue;
        }
        found++;
        const [, , seconds, state] = line.split(/\s+/);
        const entry = index && entryOf(index, table, row);
        expect(entry && conntrackJson(entry)).toMatchObject({ state, id: Number(/ id=(\d+)/.exec(line)?.[1]) });
        expect(Math.abs((entry?.timeoutMs ?? 0) / 1000 - Number(seconds))).toBeLessThanOrEqual(5);
        expect(cell).toMatch(Number(seconds) > 400_000 ? /^ESTABLISHED 4d23h$/ : /^ESTABLISHED \d+[ms]/);
      }
      expect(found).toBeGreaterThanOrEqual(2);
      expect(conntrackCell(new Map(), table, 0)).toBe('untracked here');
      expect(conntrackCell(undefined, table, 0)).toBe('unknown');
    } finally {
      closeNamespaces(observation.namespaces);
    }
  });
});

describe.skipIf(missingNamespaces() !== undefined)('conntrack where there is nothing to delete', () => {
  it('a namespace that tracks nothing has an empty table, and the remedy says so', async () => {
    const lab = new Lab({ actorFile: await bundleActor() });
    try {
      const world = await pair(lab, 4);
      const { sockets } = await open(world, 8080, 1);
      const targets = await targetsOf(world.client, sockets);
      const context = contextOf([world.client]);
      const ref = { inode: world.client.netnsInode, label: 'x', path: `/proc/${world.client.pid}/ns/net` };
      expect(await conntrackOf(capturedEffects([]), ref, [])).toEqual(new Map());
      expect(await conntrack.apply(context, targets)).toMatchObject([{ outcome: 'unsupported' }]);
      context.close();
      // Tracking of one family says nothing of the other; a namespace that vanishes is no failure of the rest.
      expect(await world.client.run('nft', [TRACKING_V4])).toMatchObject({ code: 0 });
      await world.client.end();
      await sleep(50);
      const notes: Parameters<typeof conntrackOf>[2] = [];
      expect(await conntrackOf(capturedEffects([]), ref, notes)).toBeUndefined();
      expect(notes).toHaveLength(1);
    } finally {
      await lab.close();
    }
  });
});

describe('conntrack refuses', () => {
  const target = (state: number) => ({ state }) as ClearTarget;
  const able = { refusals: {}, destroyBreaksOrphans: false };

  it('a listener, and whatever the abilities refuse', () => {
    expect(conntrack.refuse(target(10), able)).toMatchObject({ outcome: 'unsupported' });
    expect(conntrack.refuse(target(4), able)).toBeUndefined();
    const refusal = { outcome: 'not-permitted', because: 'CAP_NET_ADMIN is missing' } as const;
    expect(conntrack.refuse(target(4), { ...able, refusals: { conntrack: refusal } })).toBe(refusal);
  });

  it('never claims that the socket goes', () => {
    expect(conntrack.preview(target(4))).toMatchObject({ lostBytes: 0, remains: expect.stringContaining('socket') });
  });

  it('without CAP_NET_ADMIN, and without the kernel part', async () => {
    const proc = (lines: string) => capturedEffects([], { procRoot: lines });
    // A /proc that tells of no capability and no tracking.
    expect(conntrackRefusal(proc('/nonexistent'))).toMatchObject({ outcome: 'not-permitted', todo: expect.anything() });
  });
});
