import { describe, expect, it } from 'vitest';
import { fitLines } from './fit_lines.ts';

const PLAN = `10.0.0.1:1 → 10.0.0.2:2  CLOSE_WAIT
    close-gracefully: peer sees a FIN; nothing is lost; remains: the descriptor
plan: 1 socket: 1 by close-gracefully
`;

describe('lines for a narrow terminal', () => {
  it('are broken between words, and go on further in than they began', () => {
    expect(fitLines(PLAN, 40)).toBe(`10.0.0.1:1 → 10.0.0.2:2  CLOSE_WAIT
    close-gracefully: peer sees a FIN;
      nothing is lost; remains: the
      descriptor
plan: 1 socket: 1 by close-gracefully
`);
  });

  it('are left as they are where they fit', () => {
    expect(fitLines(PLAN, 80)).toBe(PLAN);
  });

  it('cut a word that is wider than the terminal', () => {
    const lines = fitLines(`    ${'x'.repeat(100)}\n`, 40)
      .trimEnd()
      .split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBe(40);
    expect(lines.map((line) => line.trim()).join('')).toBe('x'.repeat(100));
  });
});
