import { describe, expect, it } from 'vitest';
import { LineBuffer, putColumn, putIpv4, putNumber, putWords, wordsOf } from './byte_writer.ts';

const lines = new LineBuffer(() => {});
const textTo = (end: number) => lines.bytes.toString('latin1', 0, end);

describe('writing bytes', () => {
  it('writes numbers of every length', () => {
    for (let value = 1; value < 2 ** 32; value *= 3) {
      for (const near of [value - 1, value]) expect(textTo(putNumber(lines.view, 0, near))).toBe(String(near));
    }
    for (const value of [9, 10, 99, 100, 999, 1000, 9999, 10_000, 65_535, 99_999, 100_000, 999_999_999, 2 ** 32 - 1]) {
      expect(textTo(putNumber(lines.view, 0, value))).toBe(String(value));
    }
  });

  it('writes every octet', () => {
    for (let octet = 0; octet < 256; octet++) {
      const bytes = Uint8Array.of(octet, 7, 255 - octet, 10);
      expect(textTo(putIpv4(lines.view, 0, bytes, 0))).toBe(`${octet}.7.${255 - octet}.10`);
    }
  });

  it('fills up to a column, with one space at least', () => {
    for (let at = 1; at < 30; at++) {
      lines.bytes.fill('x', 0, 40);
      const end = putColumn(lines.view, at, 20);
      expect(textTo(end)).toBe('x'.repeat(at) + ' '.repeat(Math.max(1, 20 - at)));
    }
  });

  it('writes words as the text they were made of', () => {
    expect(textTo(putWords(lines.view, 0, wordsOf('TIME_WAIT   0       ')))).toBe('TIME_WAIT   0       ');
  });
});
