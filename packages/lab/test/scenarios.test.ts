import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runScenario, SCENARIOS, type Scenario } from '../src/mod.ts';
import { bundleActor } from './actor-file.ts';
import { missingPrivilege } from './privileged.ts';
import { type SsLine, ss } from './ss.ts';

const LIMIT_MS = 120_000;
/** The scenarios wait most of their time, for timers of the kernel. */
const SIDE_BY_SIDE = 10;
/** Three zero-window probes; the rest of a long settling time shows nothing more to `ss`. */
const LONGEST_SETTLE_MS = 1_900;

/** What ss must say of every socket of the scenario. */
type Claim = (line: SsLine) => void;

const retransmitting =
  (state: string): Claim =>
  (line) => {
    expect(line).toMatchObject({ state, timer: 'on' });
    expect(line.retransmits).toBeGreaterThanOrEqual(3);
    expect(line.sendQueue).toBeGreaterThanOrEqual(1);
  };

const probing =
  (state: string): Claim =>
  (line) => {
    expect(line).toMatchObject({ state, timer: 'persist' });
    expect(line.sendQueue).toBeGreaterThan(1_000);
    // Answers to probes less than half a second apart are rationed, so one may be missing: not all.
    expect(line.retransmits).toBeLessThan(line.backoff);
  };

const closeWait =
  (receiveQueue: number, users: string[]): Claim =>
  (line) => {
    expect(line).toMatchObject({ state: 'CLOSE-WAIT', receiveQueue, sendQueue: 0, timer: undefined });
    expect([...line.users].sort()).toEqual(users);
  };

/** By the longest beginning of the scenario's name. */
const CLAIMS: Readonly<Record<string, Claim>> = {
  'fin-wait-1-blackhole': retransmitting('FIN-WAIT-1'),
  'last-ack-blackhole': retransmitting('LAST-ACK'),
  'closing-blackhole': retransmitting('CLOSING'),
  'conntrack-missing': retransmitting('FIN-WAIT-1'),
  'conntrack-expires-first': closeWait(0, ['lab-server']),
  'established-blackhole': retransmitting('ESTAB'),
  'fin-wait-1-zero-window': probing('FIN-WAIT-1'),
  'last-ack-zero-window': probing('LAST-ACK'),
  'established-zero-window': probing('ESTAB'),
  'fin-wait-1-zero-window-unanswered': (line) => {
    expect(line).toMatchObject({ state: 'FIN-WAIT-1', timer: 'persist' });
    expect(line.retransmits).toBeGreaterThanOrEqual(3);
  },
  'fin-wait-2-held': (line) => expect(line).toMatchObject({ state: 'FIN-WAIT-2', timer: undefined, sendQueue: 0 }),
  // Up to 60 s the small stand-in waits; above, a whole socket waits first for what exceeds 60 s.
  'fin-wait-2-orphans': (line) => expect(line).toMatchObject({ state: 'FIN-WAIT-2', timer: 'timewait', users: [] }),
  'fin-wait-2-orphans-61': (line) => {
    expect(line).toMatchObject({ state: 'FIN-WAIT-2', users: [] });
    expect(['keepalive', 'timewait']).toContain(line.timer);
  },
  'fin-wait-2-orphans-90': (line) => expect(line).toMatchObject({ state: 'FIN-WAIT-2', timer: 'keepalive', users: [] }),
  'fin-wait-2-orphans-120': (line) =>
    expect(line).toMatchObject({ state: 'FIN-WAIT-2', timer: 'keepalive', users: [] }),
  'close-wait-eof-unread': closeWait(1, ['lab-server']),
  'close-wait-data-unread': closeWait(1_001, ['lab-server']),
  'close-wait-close-forgotten': closeWait(0, ['lab-server']),
  'close-wait-unaccepted': closeWait(1, []),
  'both-ends': closeWait(0, ['lab-server']),
  'forked-holder': closeWait(0, ['lab-server', 'lab-worker']),
  'syn-sent-unanswered': (line) => {
    expect(line).toMatchObject({ state: 'SYN-SENT', timer: 'on' });
    expect(line.retransmits).toBeGreaterThanOrEqual(2);
  },
  'syn-recv-pileup': (line) => {
    expect(line).toMatchObject({ state: 'SYN-RECV', timer: 'on' });
    expect(line.retransmits).toBeGreaterThanOrEqual(1);
  },
  'listen-queue-full': (line) => {
    expect(line.state).toBe('LISTEN');
    expect(line.receiveQueue).toBeGreaterThan(line.sendQueue);
  },
  'time-wait': (line) => expect(line).toMatchObject({ state: 'TIME-WAIT', timer: 'timewait' }),
};

function claimFor(name: string): Claim {
  const keys = Object.keys(CLAIMS).filter((key) => name.startsWith(key));
  const [longest] = keys.sort((a, b) => b.length - a.length);
  if (longest === undefined) throw new Error(`no claim for ${name}`);
  return CLAIMS[longest] as Claim;
}

async function check(scenario: Scenario, family: 4 | 6, actorFile: string, count?: number): Promise<void> {
  const options = { family, actorFile, settleLimitMs: LONGEST_SETTLE_MS, ...(count === undefined ? {} : { count }) };
  await runScenario(scenario.name, options, async (stage) => {
    const lines = await ss(stage.observeIn, stage.sockets);
    expect(lines).toHaveLength(stage.sockets.length);
    const claim = stage.sockets.length > 0 ? claimFor(scenario.name) : () => undefined;
    for (const line of lines) claim(line);
    if (!scenario.name.includes('orphan') && /^(fin-wait-1|last-ack|closing|fin-wait-2)/.test(scenario.name))
      for (const { users } of lines) expect(users).toEqual(['lab-client']);
    else if (scenario.name.includes('orphan')) for (const { users } of lines) expect(users).toEqual([]);
  });
}

class Pool {
  #free = SIDE_BY_SIDE;
  readonly #waiting: (() => void)[] = [];

  async run(task: () => Promise<void>): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

const skip = missingPrivilege() !== undefined;
const makeable = SCENARIOS.filter(({ unsupported }) => unsupported === undefined);
/** Its sockets live for 2 s: it is looked at on its own, and again where the machine was too busy to look in time. */
const FLEETING = 'fin-wait-2-orphans-61';
const ATTEMPTS = 4;
const lasting = makeable.filter(({ name }) => name !== FLEETING);
const cases = lasting.flatMap((scenario) => scenario.families.map((family) => ({ scenario, family })));

describe.skipIf(skip)('each scenario, by ss inside its namespace', () => {
  const pool = new Pool();
  const results = new Map<string, Promise<void>>();
  const keyOf = ({ name }: Scenario, family: number) => `${name} over IPv${family}`;

  beforeAll(async () => {
    const actorFile = await bundleActor();
    for (const { scenario, family } of cases) {
      const result = pool.run(() => check(scenario, family, actorFile));
      result.catch(() => undefined);
      results.set(keyOf(scenario, family), result);
    }
  });

  afterAll(() => Promise.allSettled(results.values()), LIMIT_MS);

  for (const { scenario, family } of cases)
    it(keyOf(scenario, family), () => results.get(keyOf(scenario, family)), LIMIT_MS);
});

describe.skipIf(skip)(FLEETING, () => {
  it.each([4, 6] as const)('over IPv%i', { timeout: LIMIT_MS, retry: ATTEMPTS - 1 }, async (family) => {
    const scenario = makeable.find(({ name }) => name === FLEETING) as Scenario;
    await check(scenario, family, await bundleActor(), 20);
  });
});

describe.skipIf(skip)('the healthy busy host', () => {
  it('has short, kept and half-closed connections, and none of them stays', { timeout: LIMIT_MS }, async () => {
    const actorFile = await bundleActor();
    await runScenario('healthy-busy', { family: 4, actorFile, count: 500 }, async ({ observeIn }) => {
      const statesOf = async () => (await observeIn.run('ss', ['-tanH'])).stdout.trim().split('\n');
      const first = await statesOf();
      const count = (lines: string[], state: string) => lines.filter((line) => line.startsWith(state)).length;
      expect(count(first, 'TIME-WAIT')).toBeGreaterThanOrEqual(500);
      expect(count(first, 'ESTAB')).toBeGreaterThanOrEqual(50);
      await sleep(1_000);
      const halfClosed = (lines: string[]) => lines.filter((line) => line.startsWith('FIN-WAIT-2'));
      const stayed = halfClosed(await statesOf()).filter((line) => halfClosed(first).includes(line));
      expect(stayed).toEqual([]);
    });
  });
});

describe('what cannot be made', () => {
  it.each(SCENARIOS.filter(({ unsupported }) => unsupported))('$name says why', async ({ name }) => {
    const run = runScenario(name, { family: 4, actorFile: '/nonexistent' }, async () => undefined);
    await expect(run).rejects.toThrow(/cannot be made: .+/);
  });
});
