import {
  type Abilities,
  type ClearTarget,
  MEANS,
  type SocketKind,
  socketKind,
  stateName,
  TcpState,
} from '@lastack/core';
import { KernelError } from '@lastack/kernel';
import { describe, expect, it } from 'vitest';
import { makeAbort } from '../src/remedies/abort/mod.ts';
import { REMEDIES } from '../src/remedies/mod.ts';
import type { ApplyContext, Remedy } from '../src/remedies/remedy.ts';
import { capturedEffects } from './support/effects.ts';

const ABLE: Abilities = { refusals: {}, destroyBreaksOrphans: false };
const OUTCOMES = ['applied', 'already-gone', 'identity-changed', 'unsupported', 'not-permitted'];
const ONE_LINE = /^[^\x00-\x1f\x7f]+$/;

const KINDS: readonly { kind: SocketKind; inode: number }[] = [
  { kind: 'full', inode: 77 },
  { kind: 'orphan', inode: 0 },
  { kind: 'unaccepted', inode: 0 },
  { kind: 'minisocket', inode: 0 },
  { kind: 'request', inode: 0 },
];

const NO_UNIT = 'lastack-conformance-without-unit.service';

function targetFor(state: number, family: 4 | 6, { kind, inode }: (typeof KINDS)[number], queues = 0): ClearTarget {
  const address = family === 4 ? '192.0.2.1' : '2001:db8::1';
  // A process that cannot be: whatever a remedy does to it, nobody is hit.
  const owners = kind === 'full' ? [{ pid: 4_194_303, fd: 9, command: 'nobody', unit: NO_UNIT }] : [];
  return {
    namespaceInode: 1,
    namespaceLabel: 'gone',
    family,
    state,
    kind,
    local: { address, port: 80 },
    remote: { address, port: 4_000 },
    cookie: 5n,
    interfaceIndex: 0,
    inode,
    uid: 0,
    receiveQueueBytes: queues,
    sendQueueBytes: queues,
    owners,
  };
}

/** Every state with every kind that it can have, both families, with empty and full queues. */
const TARGETS: readonly ClearTarget[] = Object.values(TcpState).flatMap((state) =>
  KINDS.filter(({ kind, inode }) => [1, 3].some((timer) => socketKind(state, timer, inode) === kind)).flatMap((kind) =>
    ([4, 6] as const).flatMap((family) => [0, 1, 5_000].map((queues) => targetFor(state, family, kind, queues))),
  ),
);
const nameOf = ({ state, kind, family }: ClearTarget) => `${stateName(state)} ${kind} IPv${family}`;

/** A world in which the namespace is gone, so that nothing can be hit; it counts what is journalled. */
function emptyWorld(controller = new AbortController()): ApplyContext & { phases: string[] } {
  const phases: string[] = [];
  const gone = (): never => {
    throw new KernelError('using network namespace 1', 2, { detail: 'it is gone' });
  };
  return {
    phases,
    effects: capturedEffects([], { sleep: async () => undefined }),
    journal: {
      path: '',
      begin: () => phases.push('begin'),
      end: () => void phases.push('end'),
      undone: () => void phases.push('undone'),
      read: () => ({ entries: [], damagedLines: 0 }),
    },
    signal: controller.signal,
    progress: () => undefined,
    diag: gone,
    inside: gone,
  };
}

/** For connections that pass through: sockets of this host are never its targets. */
const FOR_NO_SOCKET: ReadonlySet<string> = new Set(['reset-path']);

const all: readonly Remedy[] = [...Object.values(REMEDIES), makeAbort({ silent: true })];

describe('the table of remedies', () => {
  it('names each by its own id, and only known ones', () => {
    for (const [id, remedy] of Object.entries(REMEDIES)) {
      expect(remedy.id).toBe(id);
      expect(MEANS).toContain(id);
    }
  });
});

describe.each(all.map((remedy) => [remedy.id, remedy] as const))('%s', (id, remedy) => {
  const usable = TARGETS.filter((target) => remedy.refuse(target, ABLE) === undefined);

  it('introduces itself in one line', () => {
    expect(remedy.title).toMatch(ONE_LINE);
    expect(['none', 'journal']).toContain(remedy.undo);
  });

  it('is of use somewhere, and refuses with a reason elsewhere', () => {
    expect(usable.length > 0).toBe(!FOR_NO_SOCKET.has(id));
    for (const target of TARGETS) {
      const refusal = remedy.refuse(target, ABLE);
      if (!refusal) continue;
      expect(['unsupported', 'not-permitted']).toContain(refusal.outcome);
      expect([nameOf(target), refusal.because]).toEqual([nameOf(target), expect.stringMatching(ONE_LINE)]);
      if (refusal.todo !== undefined) expect(refusal.todo).toMatch(ONE_LINE);
      // What a refusal of permission is good for is to say what would allow it.
      if (refusal.outcome === 'not-permitted') expect(refusal.todo).toBeDefined();
    }
  });

  it('decides and previews the same each time, and leaves the target as it was', () => {
    for (const target of TARGETS) {
      const before = structuredClone(target);
      expect(remedy.refuse(target, ABLE)).toEqual(remedy.refuse(target, ABLE));
      if (remedy.refuse(target, ABLE) === undefined) expect(remedy.preview(target)).toEqual(remedy.preview(target));
      expect(target).toEqual(before);
    }
  });

  it('gives way to what was found out about this kernel', () => {
    const refusal = { outcome: 'unsupported', because: 'not here' } as const;
    if (FOR_NO_SOCKET.has(id)) return;
    const [target] = usable;
    // planSteps looks there itself; a remedy may, but must not contradict.
    const answer = remedy.refuse(target, { ...ABLE, refusals: { [id]: refusal } });
    expect([undefined, refusal]).toContainEqual(answer);
  });

  it('previews in plain words and honest numbers', () => {
    for (const target of usable) {
      const { peerSees, programSees, lostBytes, remains } = remedy.preview(target);
      expect([nameOf(target), peerSees]).toEqual([nameOf(target), expect.stringMatching(ONE_LINE)]);
      for (const text of [programSees, remains]) if (text !== undefined) expect(text).toMatch(ONE_LINE);
      expect(Number.isInteger(lostBytes) && lostBytes >= 0).toBe(true);
      expect(lostBytes).toBeLessThanOrEqual(target.sendQueueBytes + target.receiveQueueBytes);
    }
  });

  it('does nothing for no targets, and nothing when interrupted before it begins', async () => {
    const world = emptyWorld();
    expect(await remedy.apply(world, [])).toEqual([]);
    const aborted = new AbortController();
    aborted.abort();
    const stopped = emptyWorld(aborted);
    const targets = usable.slice(0, 3);
    const attempts = await remedy.apply(stopped, targets);
    expect(attempts.length).toBe(targets.length);
    // It may have looked, but must not have acted.
    for (const attempt of attempts) expect(attempt?.outcome).not.toBe('applied');
    expect([...world.phases, ...stopped.phases]).toEqual([]);
  });

  it('answers for each target when everything is gone, and never throws', async () => {
    const world = emptyWorld();
    const attempts = await remedy.apply(world, usable);
    expect(attempts.length).toBe(usable.length);
    attempts.forEach((attempt, index) => {
      const { outcome = '', because, todo } = attempt ?? {};
      expect([nameOf(usable[index]), outcome]).toEqual([nameOf(usable[index]), expect.stringMatching(/./)]);
      expect(OUTCOMES).toContain(outcome);
      expect([nameOf(usable[index]), outcome]).not.toEqual([nameOf(usable[index]), 'applied']);
      for (const text of [because, todo]) if (text !== undefined) expect(text).toMatch(ONE_LINE);
    });
    const count = (phase: string) => world.phases.filter((each) => each === phase).length;
    // Whatever was begun is ended.
    expect(count('end')).toBe(count('begin'));
  });
});
