import { type FilterAst, FilterError, parseFilter, renderFilterError, requirements } from '@lastack/core';
import { readServices } from '@lastack/kernel';
import { type Effects, UserError } from '../../effects.ts';
import { checkCgroups } from '../../engine/filter_context.ts';
import type { Scope } from '../../engine/namespaces.ts';
import type { Target } from '../../engine/target.ts';
import { checkNamespaces } from '../../engine/tune/place.ts';
import type { Journal } from '../../journal/journal.ts';
import { openJournal } from '../../journal/open.ts';
import { recover } from '../../journal/recover.ts';
import { printable } from '../render/printable.ts';

// What the commands that change sockets have in common: how sockets are named, counted and asked about.

/** `cookie:…`, `pid:… fd:…`, `A:p-B:p`: what no filter can begin with. */
export function looksLikeTarget(words: readonly string[]): boolean {
  const text = words.join(' ');
  return (
    /^(cookie|sk|pid):/i.test(text) || /^\[?[0-9a-f.:]+\]?:\d+\s*(-|->|\u2192)\s*\[?[0-9a-f.:]+\]?:\d+$/i.test(text)
  );
}

/** `:4000`, `10.0.0.1:4000`: no filter consists of such a word alone. */
export function isEndpoint(words: readonly string[]): boolean {
  return words.length === 1 && /^\[?[0-9a-f.:]*\]?:\d+$/i.test(words[0]);
}

/** A process, a cookie or both ends of a connection mean the same everywhere; a port or an address does not. */
export function scopeOfTarget({ kind }: Target): Scope {
  return kind === 'port' || kind === 'endpoint' ? 'own' : 'all';
}

export function scopeOfFilter(filter: FilterAst | undefined): Scope {
  return filter && requirements(filter).namespaces.length > 0 ? 'all' : 'own';
}

/** An option that narrows what was named. */
export interface Restriction {
  /** As the user gave it, for messages: `--address 10.0.0.1`. */
  option: string;
  /** What it means in the language of ls. */
  filter: string;
}

/**
 * What the words mean, and all the restrictions. Each is read by itself: a message shows only what the user typed.
 * @throws UserError with a caret under the mistake
 */
export function readFilter(
  effects: Effects,
  words: readonly string[],
  restrictions: readonly Restriction[] = [],
): FilterAst {
  const services = readServices();
  const ast = parsed(words.join(' '), services, (error) => renderFilterError(error, effects.stderr.columns));
  const more = restrictions.map(({ option, filter }) =>
    parsed(filter, services, ({ message }) => printable(`${option}: ${message}`)),
  );
  const of = [ast, ...more].flatMap(({ expression }) => expression ?? []);
  const filter: FilterAst = of.length > 1 ? { ...ast, expression: { type: 'and', of } } : { ...ast, expression: of[0] };
  checkCgroups(effects, filter);
  checkNamespaces(effects, filter);
  for (const note of filter.notes) effects.stderr.write(`lastack: ${note}\n`);
  return filter;
}

function parsed(
  text: string,
  services: ReturnType<typeof readServices>,
  said: (error: FilterError) => string,
): FilterAst {
  try {
    return parseFilter(text, { services });
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new UserError(said(error));
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
