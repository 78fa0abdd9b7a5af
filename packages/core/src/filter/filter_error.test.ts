import { describe, expect, it } from 'vitest';
import { FilterError, renderFilterError } from './filter_error.ts';
import { editDistance, nearestWord } from './nearest.ts';

describe('renderFilterError', () => {
  it('puts the caret under the place', () => {
    const error = new FilterError('there is no condition `dprot`', {
      text: 'state close-wait dprot = :80',
      at: 17,
      length: 5,
      expected: ['dport', 'sport'],
      suggestion: 'dport',
    });
    expect(renderFilterError(error)).toBe(
      [
        'there is no condition `dprot`; did you mean `dport`?',
        '  state close-wait dprot = :80',
        '                   ^^^^^',
        'expected: dport, sport',
      ].join('\n'),
    );
  });

  it('points behind the text when something is missing there', () => {
    const error = new FilterError('a state is missing', { text: 'state', at: 5 });
    expect(renderFilterError(error)).toBe('a state is missing\n  state\n       ^');
  });

  it('shows the part around the place of a long filter', () => {
    const text = `${'x'.repeat(500)}HERE${'y'.repeat(500)}`;
    const [, shown, caret] = renderFilterError(new FilterError('wrong', { text, at: 500, length: 4 }), 40).split('\n');
    expect(shown.length).toBeLessThanOrEqual(40);
    expect(shown.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)).toBe('HERE');
  });

  it('lets no control character through and counts characters, not code units', () => {
    const text = '\x1b[2J\u202e🙂 dprot';
    const error = new FilterError('wrong \x07', { text, at: text.indexOf('dprot'), length: 5, suggestion: '\x1b' });
    const rendered = renderFilterError(error);
    expect(rendered).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    const [, shown, caret] = rendered.split('\n');
    expect(Array.from(shown).slice(caret.indexOf('^')).join('')).toBe('dprot');
  });
});

describe('nearestWord', () => {
  it.each([
    ['dprot', 'dport'],
    ['DPORT', 'dport'],
    ['dsst', 'dst'],
    ['age1', 'age'],
    ['xyzzy', undefined],
    ['', undefined],
  ])('%s', (word, expected) => {
    expect(nearestWord(word, ['age', 'src', 'dst', 'sport', 'dport', 'orphan'])).toBe(expected);
  });

  it.each([
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
  ])('%s to %s', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });
});
