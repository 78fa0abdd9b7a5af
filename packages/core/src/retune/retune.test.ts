import { describe, expect, it } from 'vitest';
import type { ForecastInput } from '../forecast/input.ts';
import { inputOf, optionsOf } from '../forecast/testing_input.ts';
import type { ClearTarget } from '../plan/target.ts';
import { target } from '../plan/testing_target.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import {
  differingKeys,
  guardRetune,
  isAsSet,
  optionChanges,
  planRetune,
  type RetuneStep,
  type RetuneWish,
  refuseRetune,
  wishIn,
  wishText,
} from './mod.ts';

const DEFAULTS = optionsOf({ rtoMaxMs: 120_000 });

const KEEPALIVE: RetuneWish = {
  keepalive: true,
  keepaliveIdleSeconds: 5,
  keepaliveIntervalSeconds: 1,
  keepaliveProbes: 3,
};

/** An open connection, where nothing else is said. */
const held = (overrides: Partial<ClearTarget> = {}) => target({ state: TcpState.ESTABLISHED, ...overrides });
const quietInfo = (ms = 60_000) => ({ lastDataReceivedMs: ms, lastAckReceivedMs: ms });

function step(
  wish: RetuneWish,
  from: Partial<Omit<ForecastInput, 'info'>> = {},
  before = DEFAULTS,
  quietMs?: number,
): RetuneStep {
  const planned = planRetune(held(), inputOf({ ...from, info: quietInfo(quietMs) }), before, wish);
  if (!('keys' in planned)) throw new Error(planned.because);
  return planned;
}

const RUNNING = { timer: TimerCode.KEEPALIVE, timerExpiresMs: 7_140_000 };
const ON = { ...DEFAULTS, keepalive: true };

describe('the forecast with other options', () => {
  it('of an idle connection: never, and with keepalive when the peer stays silent', () => {
    const { forecast, keys, limits } = step(KEEPALIVE);
    expect(forecast.before.kind).toBe('never');
    // Switched on, the timer starts anew: 5 s, and three probes that 1 s each goes by without an answer to.
    expect(forecast.after).toMatchObject({ kind: 'when', earliestMs: 8_000 });
    expect(forecast.after.latestMs).toBeLessThan(9_500);
    expect(keys).toEqual(['keepaliveIntervalSeconds', 'keepaliveProbes', 'keepaliveIdleSeconds', 'keepalive']);
    expect(limits).toEqual([]);
  });

  it('of a keepalive that runs: set anew by how long the peer has been quiet', () => {
    expect(step(KEEPALIVE, RUNNING, ON).forecast.after.earliestMs).toBe(3_000);
    expect(step(KEEPALIVE, RUNNING, ON, 2_000).forecast.after.earliestMs).toBe(6_000);
  });

  it('of a keepalive that runs, whose probes alone change: the timer stays', () => {
    const { forecast, keys } = step({ keepaliveIntervalSeconds: 1 }, RUNNING, ON);
    expect(keys).toEqual(['keepaliveIntervalSeconds']);
    expect(forecast.after.earliestMs).toBe(7_140_000 + 9_000);
  });

  it('of a keepalive that is switched off: never', () => {
    const { forecast, limits } = step({ keepalive: false }, RUNNING, ON);
    expect([forecast.before.kind, forecast.after.kind]).toEqual(['when', 'never']);
    expect(limits.join()).toMatch(/nothing notices/);
  });

  it.each([TcpState.LISTEN, TcpState.BOUND_INACTIVE])('of state %i: keepalive starts no timer', (state) => {
    expect(step(KEEPALIVE, { state }).forecast.after.kind).toBe('never');
  });

  it('of data in flight: not by keepalive', () => {
    const from = { timer: TimerCode.RETRANSMIT, timerExpiresMs: 100, timerRetries: 3, sendQueue: 5 };
    const { forecast, limits } = step(KEEPALIVE, from);
    expect(forecast.after).toEqual(forecast.before);
    expect(limits.join()).toMatch(/stands back/);
  });

  it('of an idle connection: not by the user timeout', () => {
    const { forecast, limits } = step({ userTimeoutMs: 500 });
    expect(forecast.after.kind).toBe('never');
    expect(limits.join()).toMatch(/nothing while the connection is idle/);
  });
});

describe('what is to be set', () => {
  it('is only what differs', () => {
    expect(differingKeys(DEFAULTS, { keepalive: false, synCount: 6, linger2Seconds: 5 })).toEqual(['linger2Seconds']);
    expect(step({ keepalive: false }).keys).toEqual([]);
  });

  it('is refused where this kernel does not have the option', () => {
    const { rtoMaxMs, ...older } = DEFAULTS;
    expect(rtoMaxMs).toBeDefined();
    expect(planRetune(held(), inputOf({}), older, { rtoMaxMs: 5000 })).toMatchObject({ outcome: 'unsupported' });
    expect(planRetune(held(), inputOf({}), older, KEEPALIVE)).toMatchObject({ keys: { length: 4 } });
  });

  // As the kernel answered: 1001 and 1003 ms read as 1004 at 250 ticks a second.
  it.each([
    [1001, 1004, true],
    [1003, 1004, true],
    [1004, 1004, true],
    [1005, 1004, false],
    [1004, 1020, false],
  ])('an RTO maximum of %i may read %i: %s', (wanted, read, expected) => {
    expect(isAsSet('rtoMaxMs', wanted, read)).toBe(expected);
    expect(isAsSet('userTimeoutMs', wanted, read)).toBe(wanted === read);
  });

  it('takes linger2 0 for the setting of the namespace', () => {
    expect(wishIn({ linger2Seconds: 0 }, { tcp_fin_timeout: 60 })).toEqual({ linger2Seconds: 60 });
    expect(wishIn({ linger2Seconds: 0 }, { tcp_fin_timeout: 600 })).toEqual({ linger2Seconds: 120 });
    expect(wishIn({ linger2Seconds: 7, synCount: 2 }, { tcp_fin_timeout: 60 })).toEqual({
      linger2Seconds: 7,
      synCount: 2,
    });
  });

  it.each([
    [5, 5],
    [60, 60],
    [61, 2],
    [90, 60],
    [120, 120],
  ])('linger2 %i makes FIN_WAIT2 last %i s', (seconds, lasts) => {
    const before = { ...DEFAULTS, linger2Seconds: 1 };
    expect(step({ linger2Seconds: seconds }, {}, before).limits.join()).toContain(`lasts ${lasts} s`);
  });

  it('reads in words', () => {
    expect(optionChanges(DEFAULTS, { ...DEFAULTS, ...KEEPALIVE, userTimeoutMs: 8000, linger2Seconds: -1 })).toEqual([
      { name: 'keepalive', before: 'off', after: '5/1/3' },
      { name: 'user timeout', before: 'none', after: '8 s' },
      { name: 'linger2', before: '60 s', after: '-1 (no FIN_WAIT2)' },
    ]);
    expect(wishText({ keepalive: true, keepaliveIdleSeconds: 5 })).toBe('keepalive 5/–/–');
    expect(wishText({ keepalive: false, synCount: 2, rtoMaxMs: 2000 })).toBe(
      'keepalive off, SYN count 2, RTO maximum 2 s',
    );
  });
});

describe('sockets that are not retuned', () => {
  it.each<[string, Partial<ClearTarget>, RegExp | undefined]>([
    ['held', {}, undefined],
    ['an orphan', { kind: 'orphan', state: TcpState.LAST_ACK, owners: [] }, /tcp_orphan_retries/],
    ['an orphan in FIN_WAIT2', { kind: 'orphan', state: TcpState.FIN_WAIT2, owners: [] }, /tcp_fin_timeout/],
    ['unaccepted', { kind: 'unaccepted', owners: [] }, /--listeners/],
    ['TIME_WAIT', { kind: 'minisocket', state: TcpState.TIME_WAIT, owners: [] }, /60 s/],
    ['FIN_WAIT2 of nobody', { kind: 'minisocket', state: TcpState.FIN_WAIT2, owners: [] }, /lastack clear/],
    ['half open', { kind: 'request', state: TcpState.SYN_RECV, owners: [] }, /--syn-count/],
    ['of a holder that cannot be seen', { owners: [] }, /CAP_SYS_PTRACE/],
  ])('%s', (_what, overrides, expected) => {
    const refusal = refuseRetune(held(overrides));
    if (expected) expect(`${refusal?.because}; ${refusal?.todo}`).toMatch(expected);
    else expect(refusal).toBeUndefined();
  });

  const login = { local: held().local, remote: held().remote };
  const facts = { sessionPids: new Set([500]), allowListeners: false, namedSingly: false };
  it.each<[string, Partial<ClearTarget>, Partial<Parameters<typeof guardRetune>[1]>, RegExp | undefined]>([
    ['an open connection', {}, {}, undefined],
    ['the login', {}, { login }, /login; name it alone/],
    ['the login, named', {}, { login, namedSingly: true }, undefined],
    ['what a parent holds', { owners: [{ pid: 500, command: 'sshd', fd: 3 }] }, {}, /pid 500/],
    ['a listener', { state: TcpState.LISTEN }, {}, /--listeners/],
    ['a listener, asked for', { state: TcpState.LISTEN }, { allowListeners: true }, undefined],
    ['a listener, named', { state: TcpState.LISTEN }, { namedSingly: true }, undefined],
  ])('%s', (_what, overrides, more, expected) => {
    const because = guardRetune(held(overrides), { ...facts, ...more });
    if (expected) expect(because).toMatch(expected);
    else expect(because).toBeUndefined();
  });
});
