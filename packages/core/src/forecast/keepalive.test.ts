import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf, optionsOf } from './testing_input.ts';

const timer = TimerCode.KEEPALIVE;
const quietFor = (ms: number) => ({ lastDataReceivedMs: ms, lastAckReceivedMs: ms, lastDataSentMs: ms });
const options = (idle: number, interval: number, probes: number, userTimeoutMs = 0) =>
  optionsOf({
    userTimeoutMs,
    keepalive: true,
    keepaliveIdleSeconds: idle,
    keepaliveIntervalSeconds: interval,
    keepaliveProbes: probes,
  });

// Seconds from the last traffic to the end with a dead peer: 11 for 5/2/3, 9 with TCP_USER_TIMEOUT 8 s, 7875 by default.
test.each([
  ['5/2/3', options(5, 2, 3), 5000, 11],
  ['5/2/3 with TCP_USER_TIMEOUT', options(5, 2, 3, 8000), 5000, 9],
  ['the defaults', undefined, 7_200_000, 7875],
])('%s', (_, socketOptions, timerExpiresMs, seconds) => {
  const forecast = forecastSocket(inputOf({ timer, timerExpiresMs, info: quietFor(0), socketOptions }));
  expect(forecast.kind).toBe('when');
  expect(holds(forecast, seconds * 1000)).toBe(true);
  expect(forecast.because).toBe(socketOptions ? Because.keepaliveIdle : Because.keepaliveIdleCaveat);
});

test('unanswered probes give a time', () => {
  const spec = { timer, timerExpiresMs: 1500, timerRetries: 2, socketOptions: options(5, 2, 3) };
  const forecast = forecastSocket(inputOf({ ...spec, info: quietFor(7500) }));
  expect(forecast).toMatchObject({ kind: 'at', earliestMs: 3500, because: Because.keepaliveFailing });
  expect(forecast.latestMs).toBeLessThan(4400);
});

test('a probe just sent says nothing: its answer may be on the way', () => {
  const spec = { timer, timerRetries: 1, socketOptions: options(5, 2, 3) };
  const justSent = forecastSocket(inputOf({ ...spec, timerExpiresMs: 1500, info: quietFor(5500) }));
  expect(justSent).toMatchObject({ kind: 'when', earliestMs: 5500, because: Because.keepaliveIdle });
  const overdue = forecastSocket(inputOf({ ...spec, timerExpiresMs: 900, info: quietFor(6100) }));
  expect(overdue).toMatchObject({ kind: 'at', earliestMs: 4900, because: Because.keepaliveFailing });
  const far = { ...quietFor(6100), rttUs: 600_000 };
  expect(forecastSocket(inputOf({ ...spec, timerExpiresMs: 900, info: far })).kind).toBe('when');
});

test('traffic since the timer was set puts the first probe off', () => {
  const spec = { timer, timerExpiresMs: 1000, socketOptions: options(60, 10, 3) };
  expect(forecastSocket(inputOf({ ...spec, info: quietFor(100) })).earliestMs).toBe(59_900 + 30_000);
  expect(forecastSocket(inputOf({ ...spec, info: 'missing' })).kind).toBe('unknown');
});

test('with unread options the defaults only bound the end, unless timer and quiet time show that they are in use', () => {
  // 2/1/2 in truth, ended 2.4 s later: 1.5 s to the first probe do not tell.
  const own = forecastSocket(inputOf({ timer, timerExpiresMs: 1520, info: quietFor(1480) }));
  expect(own).toMatchObject({ kind: 'when', earliestMs: 1520, because: Because.keepaliveIdleCaveat });
  expect(holds(own, 2434)).toBe(true);
  // How long ago the probe was sent shows only beside a known interval.
  const probed = forecastSocket(inputOf({ timer, timerExpiresMs: 800, timerRetries: 1, info: quietFor(2200) }));
  expect(probed).toMatchObject({ kind: 'when', earliestMs: 800, because: Because.keepaliveIdleCaveat });
  const failing = forecastSocket(inputOf({ timer, timerExpiresMs: 800, timerRetries: 2, info: quietFor(3200) }));
  expect(failing).toMatchObject({ kind: 'at', earliestMs: 800, because: Because.keepaliveFailingCaveat });
  const shown = { timer, timerExpiresMs: 40_000, timerRetries: 3, info: quietFor(7_200_000 + 3 * 75_000 - 40_000) };
  expect(forecastSocket(inputOf(shown)).earliestMs).toBe(40_000 + 6 * 75_000);
});

test('times of the program that could not be read are not guessed', () => {
  // 9000 s until the first probe cannot come from tcp_keepalive_time 7200.
  expect(forecastSocket(inputOf({ timer, timerExpiresMs: 9_000_000 }))).toEqual({
    kind: 'when',
    earliestMs: 9_000_000,
    because: Because.keepaliveIdleCaveat,
  });
  expect(forecastSocket(inputOf({ timer, timerExpiresMs: 80_000, timerRetries: 2 }))).toEqual({
    kind: 'unknown',
    because: Because.keepaliveOwnTimes,
  });
});

test.each([TcpState.CLOSE_WAIT, TcpState.FIN_WAIT2])('also for an owned socket in state %d', (state) => {
  const forecast = forecastSocket(inputOf({ state, timer, timerExpiresMs: 5000, socketOptions: options(5, 2, 3) }));
  expect(forecast.kind).toBe('when');
});
