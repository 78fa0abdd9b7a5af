import { expect, test } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { ageBounds } from './age.ts';
import { isHeldBack } from './held_back.ts';
import { Because } from './reasons.ts';
import { forecastSocket } from './socket.ts';
import { holds, inputOf, optionsOf } from './testing_input.ts';

const timer = TimerCode.RETRANSMIT;
const state = TcpState.FIN_WAIT1;
const settings = { ...DEFAULT_SETTINGS, tcp_retries2: 5, tcp_orphan_retries: 3 };
// A row that Linux 6.18 gave 5.8 s before the end: 31 retransmissions in 6.1 s, one doubling.
const info = { rtoMs: 408, backoff: 1, totalRto: 31, totalRtoRecoveries: 1, totalRtoTimeMs: 6138 };
const held = { state, timer, timerRetries: 31, timerExpiresMs: 336, sendQueue: 1, settings, info };

test('fewer doublings than timeouts show errors', () => {
  expect(isHeldBack({ timerRetries: 31 }, { backoff: 1 })).toBe(true);
  expect(isHeldBack({ timerRetries: 5 }, { backoff: 5 })).toBe(false);
});

test('soon after the limit if the errors go on, else when it doubled from now on', () => {
  const forecast = forecastSocket(inputOf(held), { explain: true });
  expect(forecast).toMatchObject({ kind: 'at', because: Because.heldBackOwnedCaveat });
  const [soon, doubled] = forecast.modes!;
  // model(5) is 12.6 s; the clock may have begun one undoubled timeout earlier.
  expect(soon.earliestMs).toBeGreaterThanOrEqual(12_600 - 6138 - 250);
  expect(soon.latestMs).toBeLessThanOrEqual(12_600 - 6138 + 408 + 50);
  // 336 + 816 + 1632 + 3264 = 6048 is too soon by itself, 6528 more is not.
  expect(holds({ ...forecast, modes: [doubled] }, 6048 + 6528 + 100)).toBe(true);
  expect(forecast.steps?.join()).toContain('only 1 doublings after 31 timeouts');
});

test('options and owner decide the words', () => {
  expect(forecastSocket(inputOf({ ...held, socketOptions: optionsOf() })).because).toBe(Because.heldBackOwned);
  const orphan = forecastSocket(inputOf({ ...held, owned: false, info: { ...info, totalRtoTimeMs: 2000 } }));
  expect(orphan.because).toBe(Because.heldBackOrphan);
  expect(holds(orphan, 1100)).toBe(true);
});

test('past the limit it ends at the next firing, which an error may bring forward', () => {
  const forecast = forecastSocket(inputOf({ ...held, info: { ...info, totalRtoTimeMs: 12_700 } }));
  expect(forecast.earliestMs).toBe(336 - 204);
  expect(forecast.latestMs).toBeLessThan(336 + 408 + 50);
});

test('an orphan with an error has no retries left at the maximum', () => {
  const atMax = { rtoMs: 2000, backoff: 4, totalRto: 6, totalRtoRecoveries: 1, totalRtoTimeMs: 4000 };
  const short = { ...settings, tcp_orphan_retries: 9, tcp_rto_max_ms: 2000 };
  const spec = { ...held, owned: false, timerExpiresMs: 1900, settings: short };
  const withError = forecastSocket(inputOf({ ...spec, timerRetries: 6, info: atMax }));
  expect(withError.latestMs).toBeLessThanOrEqual(1900 + 260);
  const without = forecastSocket(inputOf({ ...spec, timerRetries: 4, info: atMax }));
  expect(without.earliestMs).toBeGreaterThan(4000);
});

test('TCP_USER_TIMEOUT replaces the limit', () => {
  const forecast = forecastSocket(inputOf({ ...held, socketOptions: optionsOf({ userTimeoutMs: 8000 }) }));
  expect(forecast.because).toBe(Because.userTimeout);
  expect(holds(forecast, 8000 - 6138 + 50)).toBe(true);
  expect(forecast.latestMs).toBeLessThan(8000 - 6138 + 500);
});

test('a next hop that does not answer widens the forecast before the first error', () => {
  const first = { rtoMs: 816, backoff: 2, totalRto: 2, totalRtoRecoveries: 1, totalRtoTimeMs: 433 };
  const spec = { ...held, timerRetries: 2, timerExpiresMs: 796, info: first };
  const blind = forecastSocket(inputOf(spec));
  const told = forecastSocket(inputOf({ ...spec, pathUnreachable: true }));
  expect(told.because).toBe(Because.unreachable);
  expect(told.earliestMs).toBeLessThan(blind.earliestMs!);
  expect(told.earliestMs).toBeGreaterThan(12_600 - 433 - 500);
  expect(told.latestMs).toBeGreaterThanOrEqual(blind.latestMs!);
  const unsent = { ...held, timerRetries: 0, timerExpiresMs: 100, info: {} };
  expect(forecastSocket(inputOf({ ...unsent, pathUnreachable: true })).earliestMs).toBeLessThan(
    forecastSocket(inputOf(unsent)).earliestMs!,
  );
});

test('kernels that do not tell the time: not more than since the last acknowledgement', () => {
  const old = { rtoMs: 408, backoff: 1, lastAckReceivedMs: 7000, lastDataSentMs: 7000 };
  const known = { totalRto: undefined, totalRtoRecoveries: undefined, totalRtoTimeMs: undefined };
  const input = inputOf({ ...held, info: { ...old, ...known } });
  expect(holds(forecastSocket(input), 12_600 - 6138 + 100)).toBe(true);
  // Powers of two would add up to hours.
  expect(ageBounds(input)!.fromMs).toBeLessThan(7000);
});
