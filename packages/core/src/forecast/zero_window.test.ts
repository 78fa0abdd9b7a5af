import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { zeroWindowPeerAlive } from './peer_alive.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf, optionsOf } from './testing_input.ts';

const timer = TimerCode.ZERO_WINDOW_PROBE;
/** The window shut, one probe answered, then two not: 1.3 s (424 + 848 ms) after the measurement began. */
const silent = { timer, timerRetries: 2, timerExpiresMs: 1696, info: { rtoMs: 212, backoff: 3, sendWindow: 0 } };
const answered = { timer, timerRetries: 0, timerExpiresMs: 424, info: { rtoMs: 212, backoff: 1, sendWindow: 0 } };

// Measured totals: 1065 s owned and 218 s orphan when nothing is answered, 339 s for an orphan that is answered.
test('owned and unanswered', () => {
  const forecast = forecastSocket(inputOf({ ...silent, sendQueue: 1000 }));
  expect(forecast).toMatchObject({ kind: 'at', because: Because.windowOwnedSilentCaveat });
  expect(holds(forecast, 1_065_000 - 1272)).toBe(true);
});

test('orphan and unanswered', () => {
  const forecast = forecastSocket(inputOf({ ...silent, state: TcpState.FIN_WAIT1, owned: false }));
  expect(forecast.kind).toBe('at');
  expect(holds(forecast, 218_000 - 1272)).toBe(true);
  expect(forecast.latestMs).toBeLessThan(240_000);
});

test('orphan and answered', () => {
  const forecast = forecastSocket(inputOf({ ...answered, state: TcpState.FIN_WAIT1, owned: false }));
  expect(forecast.kind).toBe('at');
  expect(holds(forecast, 339_000)).toBe(true);
});

test('owned and answered lives for ever', () => {
  const late = { timer, timerRetries: 0, timerExpiresMs: 90_000, info: { backoff: 15, sendWindow: 0 } };
  for (const spec of [answered, late])
    expect(forecastSocket(inputOf(spec))).toEqual({ kind: 'never', because: Because.windowOwnedAnswered });
});

test('an answered orphan lives for ever where the settings never let its probes run out', () => {
  const settings = { ...DEFAULT_SETTINGS, tcp_orphan_retries: 20 };
  const forecast = forecastSocket(inputOf({ ...answered, state: TcpState.LAST_ACK, owned: false, settings }));
  expect(forecast).toEqual({ kind: 'never', because: Because.windowOrphanNever });
});

test('TCP_USER_TIMEOUT counts although probes are answered', () => {
  const socketOptions = optionsOf({ userTimeoutMs: 20_000 });
  const forecast = forecastSocket(inputOf({ ...answered, timerExpiresMs: 400, socketOptions }));
  expect(forecast).toMatchObject({ kind: 'at', because: Because.windowUserTimeout });
  expect(holds(forecast, 20_000)).toBe(true);
  expect(forecast.latestMs).toBeLessThan(23_000);
});

test('before an answer is due, the event is named and the silent case timed', () => {
  const justSent = { timer, timerRetries: 1, timerExpiresMs: 810, info: { backoff: 2, sendWindow: 0 } };
  const forecast = forecastSocket(inputOf(justSent));
  expect(forecast).toMatchObject({ kind: 'when', because: Because.windowOpensCaveat });
  expect(forecast.latestMs).toBeGreaterThan(1_000_000);
  const orphan = forecastSocket(inputOf({ ...justSent, state: TcpState.FIN_WAIT1, owned: false }));
  expect(orphan.kind).toBe('at');
  expect(orphan.modes).toHaveLength(2);
});

test('whether the peer answers', () => {
  expect(zeroWindowPeerAlive(inputOf(answered))).toBe('answered');
  expect(zeroWindowPeerAlive(inputOf(silent))).toBe('unanswered');
  expect(zeroWindowPeerAlive(inputOf({ timer, timerRetries: 0, info: { backoff: 0 } }))).toBe('cannot-tell');
  // One probe outstanding: for 10 ms, and for 26 s.
  expect(zeroWindowPeerAlive(inputOf({ timer, timerRetries: 1, timerExpiresMs: 26_102, info: { backoff: 7 } }))).toBe(
    'cannot-tell',
  );
  expect(zeroWindowPeerAlive(inputOf({ timer, timerRetries: 1, timerExpiresMs: 0, info: { backoff: 7 } }))).toBe(
    'unanswered',
  );
  expect(zeroWindowPeerAlive(inputOf({ timer, timerRetries: 1, info: 'missing' }))).toBe('cannot-tell');
  expect(zeroWindowPeerAlive(inputOf({ timer: TimerCode.RETRANSMIT, info: { backoff: 3 } }))).toBe('cannot-tell');
});

test('what is missing is said', () => {
  expect(forecastSocket(inputOf({ ...answered, info: 'missing' })).kind).toBe('unknown');
  expect(forecastSocket(inputOf({ ...answered, settings: {} })).because).toBe(Because.noSettings);
});
