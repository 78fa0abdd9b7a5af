import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf, optionsOf } from './testing_input.ts';

const { FIN_WAIT1, LAST_ACK, CLOSING, ESTABLISHED, CLOSE_WAIT } = TcpState;
const timer = TimerCode.RETRANSMIT;

// Seconds from the first transmission to the end, measured with a stopwatch on Linux 6.18, HZ=250, RTO 204 ms.
test.each([
  ['FIN_WAIT1 orphan', FIN_WAIT1, false, {}, 106.6],
  ['FIN_WAIT1 orphan, tcp_orphan_retries 3', FIN_WAIT1, false, { tcp_orphan_retries: 3 }, 6.7],
  ['FIN_WAIT1 orphan, tcp_rto_max_ms 5000', FIN_WAIT1, false, { tcp_rto_max_ms: 5000 }, 11.9],
  ['FIN_WAIT1 owned', FIN_WAIT1, true, {}, 938],
  ['LAST_ACK owned', LAST_ACK, true, {}, 938],
  ['LAST_ACK orphan', LAST_ACK, false, {}, 106.6],
  ['CLOSING orphan', CLOSING, false, {}, 106.6],
])('%s: measured total inside', (_, state, owned, changed, seconds) => {
  const settings = { ...DEFAULT_SETTINGS, ...changed };
  const forecast = forecastSocket(inputOf({ state, owned, timer, timerExpiresMs: 204, sendQueue: 1, settings }));
  expect(forecast.kind).toBe('at');
  expect(holds(forecast, seconds * 1000)).toBe(true);
  expect(forecast.latestMs! / forecast.earliestMs!).toBeLessThan(1.2);
});

test('the nominal times are lower bounds', () => {
  const orphan = inputOf({ state: FIN_WAIT1, owned: false, timer, timerExpiresMs: 204 });
  expect(forecastSocket(orphan).earliestMs).toBeGreaterThanOrEqual(102_200);
  const owned = inputOf({ state: FIN_WAIT1, timer, timerExpiresMs: 204 });
  expect(forecastSocket(owned).earliestMs).toBeGreaterThanOrEqual(924_600);
});

test('open connections with data merely on its way wait for an event, with and without TCP_INFO', () => {
  for (const state of [ESTABLISHED, CLOSE_WAIT]) {
    const forecast = forecastSocket(inputOf({ state, timer, timerExpiresMs: 150 }));
    expect(forecast).toMatchObject({ kind: 'when', because: Because.inFlightCaveat });
    expect(holds(forecast, 938_000)).toBe(true);
    expect(forecastSocket(inputOf({ state, timer, info: 'missing' }))).toEqual({
      kind: 'when',
      because: Because.inFlight,
    });
  }
});

test('an open connection that retransmits has a time', () => {
  const info = { rtoMs: 26_112, backoff: 7, totalRto: 7, totalRtoRecoveries: 1, totalRtoTimeMs: 26_500 };
  const forecast = forecastSocket(inputOf({ timer, timerRetries: 7, timerExpiresMs: 25_000, info }));
  expect(forecast.kind).toBe('at');
  expect(forecast.because).toBe(Because.retransmitOwnedCaveat);
  expect(forecast.earliestMs).toBeGreaterThan(924_600 - 26_500);
});

test('two times where it depends on lateness whether a firing is the last', () => {
  // 102.2 s less 50 ms when the timer is due: a firing on time retransmits once more, a late one ends it.
  const info = { rtoMs: 52_224, backoff: 8, totalRto: 8, totalRtoRecoveries: 1, totalRtoTimeMs: 92_150 };
  const forecast = forecastSocket(
    inputOf({ state: FIN_WAIT1, owned: false, timer, timerRetries: 8, timerExpiresMs: 10_000, info }),
  );
  expect(forecast.modes).toHaveLength(2);
  const [soon, later] = forecast.modes!;
  expect(soon.earliestMs).toBeGreaterThanOrEqual(10_000);
  expect(soon.latestMs).toBeLessThan(12_500);
  expect(later.earliestMs).toBeGreaterThan(114_000);
  expect([forecast.earliestMs, forecast.latestMs]).toEqual([soon.earliestMs, later.latestMs]);
});

test('an orphan whose RTO is at its maximum ends at the next firing', () => {
  const settings = { ...DEFAULT_SETTINGS, tcp_rto_max_ms: 5000 };
  const info = { rtoMs: 5000, backoff: 5, totalRto: 5, totalRtoRecoveries: 1, totalRtoTimeMs: 7000 };
  const input = inputOf({
    state: FIN_WAIT1,
    owned: false,
    timer,
    timerRetries: 5,
    timerExpiresMs: 3000,
    info,
    settings,
  });
  const forecast = forecastSocket(input);
  expect(forecast.earliestMs).toBe(3000);
  expect(forecast.latestMs).toBeLessThanOrEqual(3000 + 260);
});

test('a timer that is due may still take a granule', () => {
  const info = { rtoMs: 52_224, backoff: 8, totalRto: 8, totalRtoRecoveries: 1, totalRtoTimeMs: 103_000 };
  const input = inputOf({ state: FIN_WAIT1, owned: false, timer, timerRetries: 8, timerExpiresMs: 0, info });
  expect(forecastSocket(input)).toMatchObject({ earliestMs: 0, latestMs: 2052 });
});

test('kernels that do not tell the time since the first retransmission get wider bounds around the same time', () => {
  const known = { rtoMs: 13_056, backoff: 6, totalRto: 6, totalRtoRecoveries: 1, totalRtoTimeMs: 20_000 };
  const spec = { state: FIN_WAIT1, owned: false, timer, timerRetries: 6, timerExpiresMs: 5500 };
  const exact = forecastSocket(inputOf({ ...spec, info: known }));
  const old = { ...known, totalRto: undefined, totalRtoRecoveries: undefined, totalRtoTimeMs: undefined };
  const estimated = forecastSocket(inputOf({ ...spec, info: old }), { explain: true });
  expect(estimated.earliestMs).toBeLessThanOrEqual(exact.latestMs!);
  expect(estimated.latestMs).toBeGreaterThanOrEqual(exact.earliestMs!);
  expect(estimated.steps?.[0]).toContain('added up');
});

test('TCP_USER_TIMEOUT replaces the limit, also for the caveat', () => {
  const info = { rtoMs: 3264, backoff: 4, totalRto: 4, totalRtoRecoveries: 1, totalRtoTimeMs: 3000 };
  const spec = { timer, timerRetries: 4, timerExpiresMs: 3200, info };
  const forecast = forecastSocket(inputOf({ ...spec, socketOptions: optionsOf({ userTimeoutMs: 10_000 }) }));
  expect(forecast.because).toBe(Because.userTimeout);
  expect(holds(forecast, 7100)).toBe(true);
  expect(forecast.latestMs).toBeLessThan(8000);
  expect(forecastSocket(inputOf({ ...spec, socketOptions: optionsOf() })).because).toBe(Because.retransmitOwned);
});

test('a window shut over data already sent is not counted against tcp_retries2', () => {
  const info = { sendWindow: 0, rtoMs: 52_224, backoff: 8, lastAckReceivedMs: 100 };
  expect(forecastSocket(inputOf({ timer, timerExpiresMs: 52_000, info }))).toMatchObject({
    kind: 'never',
    because: Because.shrunkAnswered,
  });
  const silent = { ...info, lastAckReceivedMs: 100_000 };
  const forecast = forecastSocket(inputOf({ timer, timerExpiresMs: 2000, info: silent }));
  expect(forecast).toMatchObject({ kind: 'at', earliestMs: 140_000, because: Because.shrunkSilent });
});

test('what is missing is said', () => {
  expect(forecastSocket(inputOf({ state: FIN_WAIT1, timer, info: 'missing' }))).toEqual({
    kind: 'unknown',
    because: Because.noInfo,
  });
  for (const owned of [true, false]) {
    expect(forecastSocket(inputOf({ state: FIN_WAIT1, owned, timer, settings: {} }))).toEqual({
      kind: 'unknown',
      because: Because.noSettings,
    });
  }
});
