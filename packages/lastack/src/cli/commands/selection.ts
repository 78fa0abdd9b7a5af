import { type FilterAst, FilterError, parseFilter, renderFilterError } from '@lastack/core';
import { readServices } from '@lastack/kernel';
import { type Effects, UserError } from '../../effects.ts';
import { checkCgroups } from '../../engine/filter_context.ts';
import type { Journal } from '../../journal/journal.ts';
import { openJournal } from '../../journal/open.ts';
import { recover } from '../../journal/recover.ts';
import { printable } from '../render/printable.ts';

// What the commands that change sockets have in common: how sockets are named, counted and asked about.

/** `cookie:…`, `pid:… fd:…`, `A:p-B:p`: what no filter can begin with. */
export function looksLikeTarget(words: readonly string[]): boolean {
  const text = words.join(' ');
  return /^(cookie|sk|pid):/i.test(text) || /^\[?[0-9a-f.:]+\]?:\d+\s*(-|->|→)\s*\[?[0-9a-f.:]+\]?:\d+$/i.test(text);
}

/** State clauses come first in this language, so restrictions are joined to what follows them. */
export function restricted(words: readonly string[], restrictions: readonly string[]): string {
  const all = words.join(' ').trim().split(/\s+/).filter(Boolean);
  let end = 0;
  while (end + 1 < all.length && /^(state|exclude|excl)$/i.test(all[end])) end += 2;
  const expression = all.slice(end).join(' ');
  const parts = [...(expression ? [`( ${expression} )`] : []), ...restrictions];
  return [...all.slice(0, end), parts.join(' and ')].join(' ');
}

/** @throws UserError with a caret under the mistake */
export function readFilter(effects: Effects, text: string): FilterAst {
  try {
    const filter = parseFilter(text, { services: readServices() });
    checkCgroups(effects, filter);
    for (const note of filter.notes) effects.stderr.write(`lastack: ${note}\n`);
    return filter;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new UserError(renderFilterError(error, effects.stderr.columns));
  }
}

/** `--max`. @throws UserError */
export function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new UserError(`--max ${printable(text)}: not a number of sockets`);
  return limit;
}

/** @throws UserError */
export function checkLimit(count: number, limit: number): void {
  if (count <= limit) return;
  throw new UserError(
    `${count} sockets match, more than --max ${limit} allows; narrow the filter or give --max ${count}`,
  );
}

/** Asks on a terminal. @throws UserError where nobody can be asked: a script has to say `--yes` */
export async function isAgreed(effects: Effects, count: number, verb: { ask: string; done: string }): Promise<boolean> {
  const sockets = `${count} ${count === 1 ? 'socket' : 'sockets'}`;
  if (effects.isInteractive) return effects.ask(`${verb.ask} ${sockets}? [y/N] `);
  throw new UserError(
    `${sockets} would be ${verb.done}; say --yes to do it without a terminal, or --dry-run to see the plan`,
  );
}

/** The journal, after what earlier runs left half done was completed or reported. */
export async function journalReady(effects: Effects): Promise<Journal> {
  const journal = openJournal(effects);
  for (const { text } of await recover(effects, journal)) effects.stderr.write(`lastack: an earlier run: ${text}\n`);
  return journal;
}
