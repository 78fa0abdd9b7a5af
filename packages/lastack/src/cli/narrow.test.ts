import { expect, test } from 'vitest';
import { fittedToTerminal } from './narrow.ts';

const MESSAGE = 'lastack: 1200 sockets match, more than --max 1000 allows; narrow the filter or give --max 1200';

function written(text: string, columns: number | undefined): string {
  let out = '';
  const write = (data: unknown) => {
    out += data;
  };
  const stream = { write, isTerminal: columns !== undefined, columns };
  fittedToTerminal(stream).write(text);
  return out;
}

test('on a terminal a message is broken between words and loses none', () => {
  const out = written(`${MESSAGE}\n`, 40);
  const lines = out.slice(0, -1).split('\n');
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.filter((line) => line.length > 40)).toEqual([]);
  expect(lines.map((line) => line.trim()).join(' ')).toBe(MESSAGE);
});

test('a pipe gets it on one line, and so does a terminal that is wide enough', () => {
  expect(written(`${MESSAGE}\n`, undefined)).toBe(`${MESSAGE}\n`);
  expect(written(`${MESSAGE}\n`, 200)).toBe(`${MESSAGE}\n`);
});

test('what moves the cursor, is not finished, or was laid out already stays as it is', () => {
  for (const text of [`\r${MESSAGE}\n`, `${MESSAGE}\u001b[K\n`, MESSAGE, `    ${MESSAGE}\n`]) {
    expect(written(text, 40)).toBe(text);
  }
});
