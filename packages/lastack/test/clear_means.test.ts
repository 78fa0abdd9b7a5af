import { setTimeout as sleep } from 'node:timers/promises';
import { type Abilities, type ClearTarget, stateName } from '@lastack/core';
import { lookupSockets } from '@lastack/kernel';
import { type AddressPair, Lab, pair, runScenario, type Stage } from '@lastack/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleActor } from '../../lab/test/actor-file.ts';
import { makeAbort } from '../src/remedies/abort/mod.ts';
import { closeGracefully } from '../src/remedies/close-gracefully/mod.ts';
import { destroy } from '../src/remedies/destroy/mod.ts';
import type { Remedy } from '../src/remedies/remedy.ts';
import { Capture } from './clear_means/capture.ts';
import { CASES, type Case, type Effect, type MeansKey } from './clear_means/cases.ts';
import { contextOf, diagOf, targetsOf } from './clear_means/world.ts';
import { Pool } from './support/pool.ts';
import { missingNamespaces } from './support/privileged.ts';
import { type SsLine, ss } from './support/ss.ts';

const LIMIT_MS = 120_000;
const SIDE_BY_SIDE = 4;
const ABLE: Abilities = { refusals: {}, destroyBreaksOrphans: false };
const MEANS: Readonly<Record<MeansKey, Remedy>> = {
  destroy,
  'close-gracefully': closeGracefully,
  abort: makeAbort({ silent: false }),
  'abort silently': makeAbort({ silent: true }),
};
const KEYS = Object.keys(MEANS) as MeansKey[];

const written = ({ address, port }: AddressPair['local']) =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`;
const byEnds = (lines: Map<string, SsLine>, { local, remote }: AddressPair) =>
  lines.get(`${written(local)} ${written(remote)}`);
const mirrored = ({ local, remote }: AddressPair): AddressPair => ({ local: remote, remote: local });

/** The plain case that no scenario is about: four open connections. */
async function established(lab: Lab, family: 4 | 6): Promise<Stage> {
  const { client, server, clientAddress, serverAddress } = await pair(lab, family);
  const at = { address: serverAddress, port: 8_080 };
  const listener = await server.call('listen', { at, backlog: 16 });
  const { ports } = await client.call('connectMany', { to: at, count: KEYS.length, limitMs: 10_000 });
  await server.call('acceptMany', { fd: listener.fd, count: KEYS.length, limitMs: 10_000 });
  const sockets = ports.map((port) => ({ local: { address: clientAddress, port }, remote: at }));
  return { observeIn: client, scope: 'namespace', sockets, settleMs: 0 };
}

async function withStage(
  { scenario, count = KEYS.length }: Pick<Case, 'scenario' | 'count'>,
  family: 4 | 6,
  actorFile: string,
  body: (stage: Stage, lab: Lab) => Promise<void>,
): Promise<void> {
  if (scenario !== 'established') {
    await runScenario(scenario, { family, count, actorFile, settleLimitMs: 200 }, (stage, _, lab) => body(stage, lab));
    return;
  }
  const lab = new Lab({ actorFile });
  try {
    await body(await established(lab, family), lab);
  } finally {
    await lab.close();
  }
}

/** Applies each means to a socket of its own and compares both ends, the wire and the program with what is expected. */
async function check(each: Case, family: 4 | 6, actorFile: string): Promise<void> {
  await withStage(each, family, actorFile, async (stage, lab) => {
    const targets = await targetsOf(stage.observeIn, stage.sockets.slice(0, KEYS.length));
    const capture = await Capture.start(stage.observeIn);
    const context = contextOf(lab.actors);
    try {
      for (const [index, key] of KEYS.entries()) {
        const [target, effect] = [targets[index], each.effects[key]];
        const refusal = MEANS[key].refuse(target, ABLE);
        expect([key, refusal?.outcome]).toEqual([key, effect ? undefined : 'unsupported']);
        if (!effect) continue;
        const appliedMs = Date.now();
        expect(await MEANS[key].apply(context, [target])).toEqual([{ outcome: 'applied' }]);
        await expectEnds(stage, lab, key, target, effect);
        await expectReads(lab, key, target, effect);
        await expectWire(capture, key, target, effect, appliedMs);
        expectPreview(MEANS[key].preview(target), effect);
      }
      expect(context.entries.map(({ phase }) => phase)).toEqual(
        Object.keys(each.effects).flatMap(() => ['begin', 'end']),
      );
    } finally {
      context.close();
      await capture.end();
    }
  });
}

/** As `ss` sees both ends, and our own second look. */
async function expectEnds(stage: Stage, lab: Lab, key: string, target: ClearTarget, effect: Effect): Promise<void> {
  const peer = lab.actors.find(({ name, pid }) => /client|server/.test(name) && pid !== stage.observeIn.pid);
  const seen = async () => {
    const mine = byEnds(await ss(stage.observeIn), target);
    const theirs = effect.peer && peer ? (byEnds(await ss(peer), mirrored(target))?.state ?? 'gone') : undefined;
    return [key, mine?.state ?? 'gone', theirs];
  };
  // A FIN and its acknowledgement need a moment, on a busy machine a long one.
  await expect.poll(seen, { timeout: 5_000, interval: 50 }).toEqual([key, effect.mine, effect.peer]);
  const transport = diagOf(stage.observeIn);
  try {
    const [now] = await lookupSockets(transport, [target]);
    const state = now.kind === 'there' ? stateName(now.table.state(now.row)) : now.kind;
    expect([key, state]).toEqual([key, effect.mine]);
  } finally {
    transport.close();
  }
}

async function expectReads(lab: Lab, key: string, { owners }: ClearTarget, { reads = [] }: Effect): Promise<void> {
  const [owner] = owners;
  const actor = lab.actors.find(({ pid }) => pid === owner?.pid);
  for (const expected of reads) {
    const read = await actor
      ?.call('receive', { fd: owner.fd, bytes: 4_096, limitMs: 100 })
      .catch(({ code }: { code?: string }) => code);
    expect([key, 'reads', read]).toEqual([key, 'reads', expected]);
  }
}

const WIRE_MS = 150;

async function expectWire(
  capture: Capture,
  key: string,
  target: ClearTarget,
  { wire }: Effect,
  appliedMs: number,
): Promise<void> {
  await sleep(WIRE_MS);
  const sent = capture.sentBy(target);
  const resets = sent.filter(({ flags }) => flags.includes('R')).length;
  expect([key, 'resets', resets > 0]).toEqual([key, 'resets', wire === 'RST']);
  if (wire === 'FIN') expect(sent.some(({ flags }) => flags.includes('F'))).toBe(true);
  // A retransmission may have crossed with us; afterwards there is nobody left to send one.
  if (wire === 'nothing') expect([key, sent.filter(({ atMs }) => atMs > appliedMs + 100)]).toEqual([key, []]);
}

function expectPreview({ peerSees, programSees }: ReturnType<Remedy['preview']>, { wire, reads }: Effect): void {
  const word = { RST: /^a reset$/, FIN: /a FIN$/, nothing: /^nothing$/ }[wire];
  expect(peerSees).toMatch(word);
  const [errno] = (reads ?? []).filter((read) => typeof read === 'string' && read !== 'EAGAIN');
  if (errno !== undefined) expect(programSees).toContain(errno);
}

const skip = missingNamespaces() !== undefined;

describe.skipIf(skip)('each means in each state, by ss at both ends, packets and reads', () => {
  const pool = new Pool(SIDE_BY_SIDE);
  const runs = new Map<string, Promise<void>>();
  const cases = CASES.flatMap((each) => ([4, 6] as const).map((family) => ({ each, family })));
  const keyOf = ({ scenario }: Case, family: number) => `${scenario} over IPv${family}`;

  beforeAll(async () => {
    const actorFile = await bundleActor();
    for (const { each, family } of cases) {
      const run = pool.run(() => check(each, family, actorFile));
      run.catch(() => undefined);
      runs.set(keyOf(each, family), run);
    }
  });
  afterAll(() => Promise.allSettled(runs.values()), LIMIT_MS);

  for (const { each, family } of cases) it(keyOf(each, family), () => runs.get(keyOf(each, family)), LIMIT_MS);
});
