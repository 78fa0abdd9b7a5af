import { openPacketSender } from '@lastack/kernel';
import { type AddressPair, Lab, routed, runScenario, type Stage } from '@lastack/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientSide, connections } from '../../lab/src/connection.ts';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { reset } from '../src/remedies/reset/mod.ts';
import { spoofedSyn, wireEnd } from '../src/remedies/reset/packets.ts';
import { contextOf, libc, type TestContext, targetsOf } from './clear_means/world.ts';
import { eventually } from './support/eventually.ts';
import { Pool } from './support/pool.ts';
import { missingNamespaces } from './support/privileged.ts';
import { pairKey } from './support/same_socket.ts';
import { type SniffedPacket, sniffed } from './support/sniffer.ts';
import { ss } from './support/ss.ts';

const LIMIT_MS = 120_000;
const SIDE_BY_SIDE = 4;
const NOTHING_REFUSED = { refusals: {}, destroyBreaksOrphans: false };
const ECONNRESET = 104;
const EPIPE = 32;
const ECONNREFUSED = 111;

interface Case {
  scenario: string;
  state: string;
  /** SO_ERROR that the program finds; undefined where nobody holds the socket. */
  error?: number;
  /** Flags of the packet that makes the socket speak; undefined where it speaks by itself. */
  probe?: 'S' | 'A';
}

const CASES: readonly Case[] = [
  { scenario: 'established-blackhole', state: 'ESTABLISHED', error: ECONNRESET, probe: 'S' },
  { scenario: 'established-zero-window', state: 'ESTABLISHED', error: ECONNRESET, probe: 'S' },
  { scenario: 'close-wait-eof-unread', state: 'CLOSE_WAIT', error: EPIPE, probe: 'S' },
  { scenario: 'close-wait-data-unread', state: 'CLOSE_WAIT', error: EPIPE, probe: 'S' },
  { scenario: 'close-wait-unaccepted', state: 'CLOSE_WAIT', probe: 'S' },
  { scenario: 'fin-wait-1-blackhole', state: 'FIN_WAIT1', error: ECONNRESET, probe: 'S' },
  { scenario: 'fin-wait-1-blackhole-orphan', state: 'FIN_WAIT1', probe: 'S' },
  { scenario: 'fin-wait-1-zero-window', state: 'FIN_WAIT1', error: ECONNRESET, probe: 'S' },
  { scenario: 'fin-wait-2-held', state: 'FIN_WAIT2', error: ECONNRESET, probe: 'S' },
  // The minisocket, and an orphan that is still whole.
  { scenario: 'fin-wait-2-orphans-60', state: 'FIN_WAIT2', probe: 'A' },
  { scenario: 'fin-wait-2-orphans-120', state: 'FIN_WAIT2', probe: 'S' },
  { scenario: 'closing-blackhole', state: 'CLOSING', error: ECONNRESET, probe: 'S' },
  { scenario: 'closing-blackhole-orphan', state: 'CLOSING', probe: 'S' },
  { scenario: 'last-ack-blackhole', state: 'LAST_ACK', error: ECONNRESET, probe: 'S' },
  { scenario: 'last-ack-blackhole-orphan', state: 'LAST_ACK', probe: 'S' },
  { scenario: 'syn-sent-unanswered', state: 'SYN_SENT', error: ECONNREFUSED },
  { scenario: 'syn-recv-pileup', state: 'SYN_RECV', probe: 'S' },
];

const because = missingNamespaces();
const pool = new Pool(SIDE_BY_SIDE);
let actorFile = '';
beforeAll(async () => {
  if (!because) actorFile = await bundleActor();
});

async function withContext(lab: Lab, body: (context: TestContext) => Promise<void>): Promise<void> {
  const context = contextOf(lab.actors);
  try {
    await body(context);
  } finally {
    context.close();
  }
}

/** Resets the first socket of the stage: it must be gone, its neighbours untouched, and the wire as said. */
async function expectReset(context: TestContext, { observeIn: actor, sockets }: Stage, each: Case): Promise<void> {
  const [mine, neighbour] = sockets;
  const before = await ss(actor);
  expect(before.get(pairKey(mine))?.state).toBe(each.state);
  const [target] = await targetsOf(actor, [mine]);
  expect(reset.refuse(target, NOTHING_REFUSED)).toBeUndefined();
  const { result, packets } = await sniffed(actor, [mine.local.port, mine.remote.port], () =>
    reset.apply(context, [target]),
  );
  expect(result).toEqual([{ outcome: 'applied' }]);
  const after = await ss(actor);
  expect(after.has(pairKey(mine))).toBe(false);
  expect(after.get(pairKey(neighbour))).toMatchObject({
    state: each.state,
    cookie: before.get(pairKey(neighbour))?.cookie,
  });
  const fd = before.get(pairKey(mine))?.holders[0]?.fd;
  expect(fd !== undefined).toBe(each.error !== undefined);
  if (fd !== undefined) expect(await actor.call('pendingError', { fd })).toBe(each.error);
  expectWire(packets, mine, each);
  expect(context.entries.map(({ phase, action }) => [phase, action])).toEqual([
    ['begin', 'reset'],
    ['end', 'reset'],
  ]);
}

/** What we send comes from the remote end; only the reset is exact, and no reset leaves for the peer. */
function expectWire(packets: readonly SniffedPacket[], { local, remote }: AddressPair, { probe, state }: Case): void {
  const spoofed = packets.filter(({ sport, outgoing }) => sport === remote.port && outgoing);
  const answers = packets.filter(({ sport }) => sport === local.port);
  expect(spoofed.every(({ checksums }) => checksums)).toBe(true);
  const resets = spoofed.filter(({ flags }) => flags.includes('R'));
  expect(resets).toHaveLength(1);
  if (state === 'SYN_SENT') {
    const syn = answers.find(({ flags }) => flags === 'S');
    expect(resets[0]).toMatchObject({ flags: 'RA', acknowledgment: ((syn?.sequence ?? 0) + 1) >>> 0 });
    expect(spoofed).toHaveLength(1);
  } else {
    expect(resets[0].flags).toBe('R');
    expect(
      answers.some(({ flags, acknowledgment }) => flags.includes('A') && acknowledgment === resets[0].sequence),
    ).toBe(true);
    expect(spoofed.filter(({ flags }) => !flags.includes('R')).map(({ flags }) => flags)).toContain(probe);
  }
  expect(answers.filter(({ flags }) => flags.includes('R'))).toEqual([]);
}

describe.skipIf(because)('reset of a local socket', () => {
  describe.concurrent.each([4, 6] as const)('IPv%i', (family) => {
    it.each(CASES)('$scenario', { timeout: LIMIT_MS }, (each) =>
      pool.run(() =>
        runScenario(each.scenario, { family, count: 3, actorFile, settleLimitMs: 0 }, (stage, _, lab) =>
          withContext(lab, (context) => expectReset(context, stage, each)),
        ),
      ),
    );

    it('TIME_WAIT: by our reset, by that of a peer that has forgotten it, and not at all', { timeout: LIMIT_MS }, () =>
      pool.run(() => withTimeWait(family, expectTimeWait)),
    );

    it('waits where answers are rationed', { timeout: LIMIT_MS }, () =>
      pool.run(() => withConnections(family, 1, expectRationed)),
    );

    it('never touches another socket', { timeout: LIMIT_MS }, () =>
      pool.run(() => withConnections(family, 2, expectIdentity)),
    );
  });
});

type World = Awaited<ReturnType<typeof routed>>;
type Body = (context: TestContext, world: World, pairs: readonly AddressPair[]) => Promise<void>;

async function withWorld(family: 4 | 6, body: (lab: Lab, world: World) => Promise<void>): Promise<void> {
  const lab = new Lab({ actorFile });
  try {
    await body(lab, await routed(lab, family));
  } finally {
    await lab.close();
  }
}

/** Open connections of the client. */
function withConnections(family: 4 | 6, count: number, body: Body): Promise<void> {
  return withWorld(family, async (lab, world) => {
    const pairs = clientSide(world, await connections(world, count));
    await withContext(lab, (context) => body(context, world, pairs));
  });
}

/** The client closes first, so the TIME_WAIT is the client's. */
function withTimeWait(family: 4 | 6, body: Body): Promise<void> {
  return withWorld(family, async (lab, world) => {
    const all = await connections(world, 3);
    await world.client.call('close', { fds: all.map(({ clientFd }) => clientFd) });
    await world.server.call('close', { fds: all.map(({ serverFd }) => serverFd) });
    const pairs = clientSide(world, all);
    await eventually(
      () => statesOf(world, pairs),
      (states) => states.every((state) => state === 'TIME_WAIT'),
    );
    await withContext(lab, (context) => body(context, world, pairs));
  });
}

async function statesOf({ client }: World, pairs: readonly AddressPair[]): Promise<(string | undefined)[]> {
  const lines = await ss(client);
  return pairs.map((pair) => lines.get(pairKey(pair))?.state);
}

const expectTimeWait: Body = async (context, world, pairs) => {
  const { client } = world;
  const targets = await targetsOf(client, pairs);
  await world.cut?.('both');
  const ports = [pairs[0].local.port, pairs[0].remote.port] as const;
  const { result, packets } = await sniffed(client, ports, () => reset.apply(context, [targets[0]]));
  expect(result).toEqual([{ outcome: 'applied' }]);
  expect(await statesOf(world, pairs)).toEqual([undefined, 'TIME_WAIT', 'TIME_WAIT']);
  const answer = packets.find(({ sport, flags }) => sport === ports[0] && flags === 'A');
  const resets = packets.filter(({ sport, flags, outgoing }) => sport === ports[1] && flags === 'R' && outgoing);
  expect(resets.map(({ sequence }) => sequence)).toEqual([answer?.acknowledgment]);
  // With the way open, the peer's host itself resets what it knows nothing of.
  await world.restore?.();
  expect(await reset.apply(context, [targets[1]])).toEqual([{ outcome: 'applied' }]);
  expect(await statesOf(world, pairs)).toEqual([undefined, undefined, 'TIME_WAIT']);
  await client.call('setSysctl', { values: { 'ipv4/tcp_rfc1337': 1 } });
  const [refused] = await reset.apply(context, [targets[2]]);
  expect(refused).toMatchObject({ outcome: 'unsupported', because: expect.stringContaining('tcp_rfc1337') });
  expect(await statesOf(world, pairs)).toEqual([undefined, undefined, 'TIME_WAIT']);
};

/** A socket answers once in half a second: who asks sooner gets nothing and has to ask again. */
const expectRationed: Body = async (context, world, pairs) => {
  const { client } = world;
  const [target] = await targetsOf(client, pairs);
  const ports = [target.local.port, target.remote.port] as const;
  const answersIn = (packets: readonly SniffedPacket[]) => packets.filter(({ sport }) => sport === ports[0]);
  const probesIn = (packets: readonly SniffedPacket[]) =>
    packets.filter(({ sport, outgoing, flags }) => sport === ports[1] && outgoing && flags !== 'R');
  // While a rule swallows the resets it is asked again and again, but never in vain.
  const rules = 'table inet t { chain c { type filter hook input priority 0; tcp flags & rst == rst drop; }; }';
  expect(await client.run('nft', [rules])).toMatchObject({ code: 0 });
  const vain = await sniffed(client, ports, () => reset.apply(context, [target]));
  expect(vain.result).toEqual([{ outcome: 'applied', because: expect.stringContaining('did not end it') }]);
  expect(await statesOf(world, pairs)).toEqual(['ESTABLISHED']);
  expect(probesIn(vain.packets).length).toBeGreaterThan(1);
  expect(answersIn(vain.packets)).toHaveLength(probesIn(vain.packets).length);
  await client.run('nft', ['delete table inet t']);
  // Somebody else has had the answer: it takes a second question, half a second later.
  const { result, packets } = await sniffed(client, ports, () => {
    const stray = spoofedSyn(wireEnd(target.remote), wireEnd(target.local), 1);
    context.inside(client.netnsInode, () => {
      const sender = openPacketSender(libc);
      sender.send(stray);
      sender.close();
    });
    return reset.apply(context, [target]);
  });
  expect(result).toEqual([{ outcome: 'applied' }]);
  expect(await statesOf(world, pairs)).toEqual([undefined]);
  expect(answersIn(packets)).toHaveLength(2);
};

const expectIdentity: Body = async (context, world, pairs) => {
  const [one, other] = await targetsOf(world.client, pairs);
  const work = () => reset.apply(context, [{ ...one, cookie: other.cookie }]);
  const { result, packets } = await sniffed(world.client, [one.local.port, one.remote.port], work);
  expect(result).toMatchObject([{ outcome: 'identity-changed' }]);
  expect(packets).toEqual([]);
  expect(await reset.apply(context, [{ ...one, local: { ...one.local, port: 1 } }])).toEqual([
    { outcome: 'already-gone' },
  ]);
  expect(await statesOf(world, pairs)).toEqual(['ESTABLISHED', 'ESTABLISHED']);
};
