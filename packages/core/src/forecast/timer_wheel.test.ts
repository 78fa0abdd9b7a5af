import { expect, test } from 'vitest';
import { granuleMs, leastLateMs, tickMs } from './timer_wheel.ts';

// The table in the comment at the head of kernel/time/timer.c, for HZ 1000, 300, 250 and 100: delay from, granularity.
test.each([
  [1000, 62, 1],
  [1000, 63, 8],
  [1000, 503, 8],
  [1000, 504, 64],
  [1000, 4032, 512],
  [1000, 32_256, 4096],
  [1000, 258_048, 32_768],
  [300, 209, 1000 / 300],
  [300, 211, 8000 / 300],
  [300, 13_441, 512_000 / 300],
  [250, 248, 4],
  [250, 252, 32],
  [250, 2016, 256],
  [250, 16_128, 2048],
  [250, 129_024, 16_384],
  [100, 620, 10],
  [100, 630, 80],
  [100, 5040, 640],
  [100, 40_320, 5120],
])('HZ=%d: a timer set %d ms ahead sits in a slot of %d ms', (hz, delayMs, slotMs) => {
  expect(granuleMs(delayMs, hz)).toBeCloseTo(slotMs + 1000 / hz, 6);
});

test('an unknown HZ takes the widest of the common ones', () => {
  for (const delayMs of [1, 100, 250, 600, 2016, 10_000, 60_000, 120_000, 7_200_000]) {
    const each = [100, 250, 300, 1000].map((hz) => granuleMs(delayMs, hz));
    expect(granuleMs(delayMs, undefined)).toBe(Math.max(...each));
  }
  expect(tickMs(undefined)).toBe(10);
  expect(leastLateMs(undefined)).toBe(0.5);
});
