import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf, optionsOf } from './testing_input.ts';

const fresh = {
  state: TcpState.SYN_SENT,
  timer: TimerCode.RETRANSMIT,
  timerExpiresMs: 1000,
  info: { rtoMs: 1000, sendWindow: 0 },
};

// Seconds from connect() to ETIMEDOUT on Linux 6.18; 127 s nominal before the linear timeouts of 6.5.
test.each([
  ['defaults', {}, [133, 134.8, 135]],
  ['tcp_rto_max_ms 5000', { tcp_rto_max_ms: 5000 }, [32]],
  ['tcp_syn_retries 2', { tcp_syn_retries: 2 }, [7.06, 7.14]],
  ['before 6.5', { tcp_syn_linear_timeouts: undefined, tcp_rto_max_ms: undefined }, [128]],
])('SYN_SENT, %s', (_, changed, seconds) => {
  const forecast = forecastSocket(inputOf({ ...fresh, settings: { ...DEFAULT_SETTINGS, ...changed } }));
  expect(forecast).toMatchObject({ kind: 'at', because: Because.synSentCaveat });
  for (const second of seconds) expect(holds(forecast, second * 1000)).toBe(true);
});

test('the count of retransmissions ends it where it is met before the time', () => {
  const info = { rtoMs: 64_000, backoff: 6, totalRto: 10, totalRtoRecoveries: 1, totalRtoTimeMs: 40_000 };
  const forecast = forecastSocket(inputOf({ ...fresh, timerRetries: 10, timerExpiresMs: 500, info }));
  expect(forecast).toMatchObject({ kind: 'at', earliestMs: 500 });
  expect(forecast.latestMs).toBeLessThan(2600);
});

test('TCP_SYNCNT and TCP_USER_TIMEOUT of the socket, where known', () => {
  const counted = forecastSocket(inputOf({ ...fresh, socketOptions: optionsOf({ synCount: 2 }) }));
  expect(counted.because).toBe(Because.synSent);
  expect(holds(counted, 7140)).toBe(true);
  const timed = forecastSocket(inputOf({ ...fresh, socketOptions: optionsOf({ userTimeoutMs: 4500 }) }));
  expect(holds(timed, 4510)).toBe(true);
});

// Seconds from the SYN to the end of the request: 65.0 by default, 7.2 with two repetitions.
test.each([
  [5, 65],
  [2, 7.2],
])('SYN_RECV with tcp_synack_retries %d', (retries, seconds) => {
  const settings = { ...DEFAULT_SETTINGS, tcp_synack_retries: retries };
  const spec = { state: TcpState.SYN_RECV, owned: false, timer: TimerCode.RETRANSMIT, timerExpiresMs: 1000, settings };
  const forecast = forecastSocket(inputOf({ ...spec, info: 'missing' }));
  expect(forecast.kind).toBe('at');
  expect(holds(forecast, seconds * 1000)).toBe(true);
});

test('a later repetition has less before it', () => {
  const spec = { state: TcpState.SYN_RECV, owned: false, timer: TimerCode.RETRANSMIT, info: 'missing' as const };
  expect(forecastSocket(inputOf({ ...spec, timerRetries: 5, timerExpiresMs: 20_000 }))).toMatchObject({
    earliestMs: 20_000,
    latestMs: 20_000 + 2052,
  });
  // tcp_synack_retries was lowered meanwhile: it is read again at the next firing, which is the end.
  const settings = { ...DEFAULT_SETTINGS, tcp_synack_retries: 2 };
  expect(forecastSocket(inputOf({ ...spec, timerRetries: 4, timerExpiresMs: 9000, settings })).earliestMs).toBe(9000);
});

test('what is missing is said', () => {
  expect(forecastSocket(inputOf({ ...fresh, info: 'missing' })).because).toBe(Because.noInfo);
  expect(forecastSocket(inputOf({ ...fresh, settings: {} })).because).toBe(Because.noSettings);
  expect(forecastSocket(inputOf({ ...fresh, timer: TimerCode.NONE })).kind).toBe('unknown');
});
