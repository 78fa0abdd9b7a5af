import { describe, expect, it } from 'vitest';
import type { Change } from '../../journal/changes.ts';
import { renderJournal } from './journal.ts';

const LINE = { at: '2026-01-02T03:04:05.678Z', boot: 'b', pid: 1, action: 'close-gracefully' };
const CHANGE: Change = {
  begin: {
    ...LINE,
    id: 1,
    phase: 'begin',
    summary: 'close-gracefully: 2 sockets',
    data: { targets: { 4026531840: ['10.0.0.1:1-10.0.0.2:2 a', '10.0.0.1:3-10.0.0.2:4 b'] } },
  },
  end: { ...LINE, id: 2, phase: 'end', of: 1, summary: 'close-gracefully: 2 sockets: 2 applied' },
  status: 'done',
};
const WHAT = '2 sockets: 10.0.0.1:1-10.0.0.2:2, 10.0.0.1:3-10.0.0.2:4; 2 applied';

describe('the list of changes', () => {
  it('says what was meant once, and what came of it', () => {
    const [head, line] = renderJournal([CHANGE]).split('\n');
    expect(line).toBe(`1      2026-01-02 03:04:05  done    close-gracefully  ${WHAT}`);
    expect(head.indexOf('WHAT')).toBe(line.indexOf(WHAT));
  });

  it('stands in two lines each, heading and all, where the columns do not fit', () => {
    for (const width of [40, 70]) {
      const [head, below, line, what] = renderJournal([CHANGE], width).split('\n');
      expect([head, below]).toEqual(['ENTRY  TIME (UTC)           STATUS', '    ACTION: WHAT']);
      expect(line).toBe('1      2026-01-02 03:04:05  done');
      expect(what).toMatch(/^ {4}close-gracefully: 2 sockets:/);
    }
  });

  it.each([40, 60, 80, 100])('fits %s columns, and loses no word', (width) => {
    const lines = renderJournal([CHANGE], width).trimEnd().split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
    expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain(WHAT);
  });
});
