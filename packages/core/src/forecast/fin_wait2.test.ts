import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf } from './testing_input.ts';

const orphan = { state: TcpState.FIN_WAIT2, owned: false };
const withTimeout = (seconds: number) => ({ ...DEFAULT_SETTINGS, tcp_fin_timeout: seconds });

// tcp_fin_timeout, and seconds from close() to the end as measured: above 60 s it runs twice what exceeds 60 s.
test.each([
  [61, 2.06],
  [70, 20.4],
  [90, 61.6],
  [100, 82],
  [120, 123],
])('T=%d lasts %d s, in two phases', (timeout, seconds) => {
  const phaseMs = (timeout - 60) * 1000;
  const settings = withTimeout(timeout);
  const first = { ...orphan, timer: TimerCode.KEEPALIVE, timerExpiresMs: phaseMs, info: { lastAckReceivedMs: 0 } };
  const whole = forecastSocket(inputOf({ ...first, settings }));
  expect(whole).toMatchObject({ kind: 'at', because: Because.finWait2First });
  expect(holds(whole, seconds * 1000)).toBe(true);
  const second = { ...orphan, timer: TimerCode.TIME_WAIT, timerExpiresMs: phaseMs, info: 'missing' as const };
  expect(holds(forecastSocket(inputOf({ ...second, settings })), (seconds * 1000) / 2)).toBe(true);
});

test.each([
  [5, 5.25],
  [60, 61.6],
])('T=%d lasts %d s, as a minisocket from the start', (timeout, seconds) => {
  const spec = { ...orphan, timer: TimerCode.TIME_WAIT, timerExpiresMs: timeout * 1000, info: 'missing' as const };
  const forecast = forecastSocket(inputOf({ ...spec, settings: withTimeout(timeout) }));
  expect(forecast).toMatchObject({ kind: 'at', earliestMs: timeout * 1000, because: Because.finWait2Mini });
  expect(holds(forecast, seconds * 1000)).toBe(true);
});

test('a timer set further ahead than the setting allows has the granule of its own delay', () => {
  const spec = { ...orphan, timer: TimerCode.TIME_WAIT, timerExpiresMs: 40_000, info: 'missing' as const };
  expect(forecastSocket(inputOf({ ...spec, settings: withTimeout(5) })).latestMs).toBe(40_000 + 2052);
});

test('a first phase that the setting does not explain is bounded by the time since the FIN was acknowledged', () => {
  // TCP_LINGER2 70 under tcp_fin_timeout 60, 4 s into the first phase: measured total 20.2 to 21.0 s.
  const spec = { ...orphan, timer: TimerCode.KEEPALIVE, timerExpiresMs: 6000, info: { lastAckReceivedMs: 4000 } };
  const forecast = forecastSocket(inputOf(spec));
  expect(forecast.earliestMs).toBe(12_000);
  expect(holds(forecast, 16_200)).toBe(true);
  expect(forecast.latestMs).toBeLessThan(17_000);
});

test('a held FIN_WAIT2 never ends, and without TCP_INFO the first phase is unknown', () => {
  expect(forecastSocket(inputOf({ state: TcpState.FIN_WAIT2, info: 'missing' }))).toEqual({
    kind: 'never',
    because: Because.finWait2Held,
  });
  const first = { ...orphan, timer: TimerCode.KEEPALIVE, info: 'missing' as const };
  expect(forecastSocket(inputOf(first)).because).toBe(Because.noInfo);
});
