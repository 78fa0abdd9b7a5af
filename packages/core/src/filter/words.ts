import type { Comparison } from './ast.ts';

/** Spellings of ss (yylex in iproute2 misc/ssfilter.y). */
export const NOT_WORDS: ReadonlySet<string> = new Set(['!', 'not']);
export const AND_WORDS: ReadonlySet<string> = new Set(['&', '&&', 'and']);
export const OR_WORDS: ReadonlySet<string> = new Set(['|', '||', 'or']);
export const OPEN: ReadonlySet<string> = new Set(['(']);
export const CLOSE: ReadonlySet<string> = new Set([')']);
export const STATE_CLAUSES: ReadonlySet<string> = new Set(['state', 'exclude', 'excl']);

export const COMPARISONS: ReadonlyMap<string, Comparison> = new Map([
  ['=', '='],
  ['==', '='],
  ['eq', '='],
  ['!=', '!='],
  ['ne', '!='],
  ['neq', '!='],
  ['<', '<'],
  ['lt', '<'],
  ['<=', '<='],
  ['le', '<='],
  ['leq', '<='],
  ['>', '>'],
  ['gt', '>'],
  ['>=', '>='],
  ['ge', '>='],
  ['geq', '>='],
]);

const ORDERED: readonly Comparison[] = ['=', '!=', '<', '<=', '>', '>='];
const EQUALITY: readonly Comparison[] = ['=', '!='];

export interface Keyword {
  /** How the rest of the condition is read. */
  value: 'host' | 'port' | 'device' | 'mark' | 'cgroup' | 'text' | 'pid' | 'age' | 'size' | 'none';
  comparisons: readonly Comparison[];
}

/** What a condition may start with. `state` and its kin are read elsewhere: several of them in a row are one. */
export const KEYWORDS: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ['src', { value: 'host', comparisons: EQUALITY }],
  ['dst', { value: 'host', comparisons: EQUALITY }],
  ['sport', { value: 'port', comparisons: ORDERED }],
  ['dport', { value: 'port', comparisons: ORDERED }],
  ['dev', { value: 'device', comparisons: EQUALITY }],
  ['fwmark', { value: 'mark', comparisons: EQUALITY }],
  ['cgroup', { value: 'cgroup', comparisons: EQUALITY }],
  ['autobound', { value: 'none', comparisons: [] }],
  ['pid', { value: 'pid', comparisons: EQUALITY }],
  ['comm', { value: 'text', comparisons: EQUALITY }],
  ['netns', { value: 'text', comparisons: EQUALITY }],
  ['age', { value: 'age', comparisons: ORDERED }],
  ['recvq', { value: 'size', comparisons: ORDERED }],
  ['sendq', { value: 'size', comparisons: ORDERED }],
  ['orphan', { value: 'none', comparisons: [] }],
  ['unaccepted', { value: 'none', comparisons: [] }],
  ['stuck', { value: 'none', comparisons: [] }],
]);

export const CONDITION_WORDS: readonly string[] = ['state', 'exclude', ...KEYWORDS.keys()];
