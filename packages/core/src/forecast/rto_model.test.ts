import { expect, test } from 'vitest';
import { modelTimeoutMs, orphanRetries, rtoMaxMs } from './rto_model.ts';
import { inputOf, optionsOf } from './testing_input.ts';

// 924.6 s and 102.2 s are the "hypothetical timeouts" in Documentation/networking/ip-sysctl.rst and tcp_timer.c.
test.each([
  [15, 120_000, 200, 924_600],
  [8, 120_000, 200, 102_200],
  [9, 120_000, 200, 204_600],
  [10, 120_000, 200, 324_600],
  [3, 120_000, 200, 3000],
  [0, 120_000, 200, 200],
  [6, 120_000, 1000, 127_000],
  [2, 120_000, 1000, 7000],
  [6, 5000, 1000, 27_000],
  [8, 5000, 200, 26_200],
])('%d retries with a maximum RTO of %d ms from %d ms take %d ms', (retries, maxMs, baseMs, ms) => {
  expect(modelTimeoutMs(retries, maxMs, baseMs)).toBe(ms);
});

test('an orphan with tcp_orphan_retries 0 is granted 8 retries, and none once the RTO is at its maximum', () => {
  expect(orphanRetries(0, true)).toBe(8);
  expect(orphanRetries(0, false)).toBe(0);
  expect(orphanRetries(3, true)).toBe(3);
  expect(orphanRetries(3, false)).toBe(3);
});

test("the maximum RTO is the socket's own, the namespace's, or the constant of older kernels", () => {
  expect(rtoMaxMs(inputOf({ socketOptions: optionsOf({ rtoMaxMs: 5000 }) }))).toBe(5000);
  expect(rtoMaxMs(inputOf({ settings: { tcp_rto_max_ms: 30_000 } }))).toBe(30_000);
  expect(rtoMaxMs(inputOf({ settings: {} }))).toBe(120_000);
  expect(rtoMaxMs(inputOf({ settings: { tcp_rto_max_ms: 5000 }, info: { rtoMs: 8000 } }))).toBe(120_000);
});
