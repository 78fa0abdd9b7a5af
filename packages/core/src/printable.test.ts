import { expect, test } from 'vitest';
import { masked, printable } from './printable.ts';

test('what would act on a terminal is shown', () => {
  expect(printable('a\u001b[2J\n\u009bé\u202eb')).toBe('a\\x1b[2J\\x0a\\x9bé\\u202eb');
});

test('one sign for one in what has to keep its place', () => {
  expect(masked('a\u001b[2Jb\u009b\n\u202ec')).toBe('a?[2Jb???c');
});

// The oracle is Unicode's own classes: controls, format characters, line and paragraph separators.
test('no control, format or separator character of the basic plane is left', () => {
  for (let code = 0; code < 0x10000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCharCode(code);
    const isUnseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character) && !/[\u0600-\u08ff]/.test(character);
    if (isUnseen) expect([code.toString(16), masked(character)]).toEqual([code.toString(16), '?']);
  }
  expect(printable('Zürich 東京 – “a”')).toBe('Zürich 東京 – “a”');
});
