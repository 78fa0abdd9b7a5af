import { expect, test } from 'vitest';
import { formatDuration } from './duration.ts';

test.each([
  [0, '0 ms'],
  [4, '4 ms'],
  [250.4, '250 ms'],
  [999.6, '1 s'],
  [1000, '1 s'],
  [4200, '4.2 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [38_400, '38 s'],
  [59_600, '1 min'],
  [60_000, '1 min'],
  [61_580, '1 min 2 s'],
  [938_000, '15 min 38 s'],
  [3_599_900, '1 h'],
  [7_875_000, '2 h 11 min'],
  [86_399_000, '1 d'],
  [90_000_000, '1 d 1 h'],
  [30 * 86_400_000, '30 d'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('a nonsensical duration is shown, not disguised', () => {
  expect(formatDuration(-1)).toBe('-1 ms');
  expect(formatDuration(Number.NaN)).toBe('NaN ms');
});
