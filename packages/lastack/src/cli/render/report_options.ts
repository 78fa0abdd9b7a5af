import type { Effects } from '../../effects.ts';
import type { PageOptions } from './report_layout.ts';
import { makeStyle } from './style.ts';

/** Columns of text that goes to a pipe or a file. */
const PIPE_WIDTH = 100;

/** How to write to this standard output: its width, colour on terminals only, ASCII where the locale is not UTF-8. */
export function pageOptions({ stdout, env }: Pick<Effects, 'stdout' | 'env'>): Required<PageOptions> {
  const colour = stdout.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
  return {
    width: (stdout.isTerminal && stdout.columns) || PIPE_WIDTH,
    style: makeStyle(colour),
    ascii: prefersAscii(env),
  };
}

/** By the order of setlocale(3): LC_ALL, LC_CTYPE, LANG; the first that is set decides. */
export function prefersAscii(env: Effects['env']): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return !/utf-?8/i.test(locale);
}
