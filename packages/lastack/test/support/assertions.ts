import { expect } from 'vitest';
import type { Outcome } from './command.ts';

/** Nothing that a program prints when it breaks. */
export function expectNoStack({ out, err }: Outcome): void {
  expect(out).not.toMatch(/^ {4}at /m);
  expect(err).not.toMatch(/^ {4}at /m);
}

/** One line on standard error that begins with the program's name, nothing on standard output, and the exit code. */
export function expectOneLine(outcome: Outcome, code: number, said: RegExp | string): void {
  expectNoStack(outcome);
  expect(outcome).toMatchObject({ code, out: '' });
  expect(outcome.err).toMatch(/^lastack: [^\n]+\n$/);
  expect(outcome.err).toMatch(said);
}
