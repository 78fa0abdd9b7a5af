import { expect, it } from 'vitest';
import { wrapText } from './wrap.ts';

it('breaks at blanks and indents', () => {
  expect(wrapText('one two three', 9)).toEqual(['one two', 'three']);
  expect(wrapText('one two three', 9, '  ', '- ')).toEqual(['- one two', '  three']);
  expect(wrapText('a-word-too-long b', 5)).toEqual(['a-word-too-long', 'b']);
  expect(wrapText('  ', 5)).toEqual([]);
});
