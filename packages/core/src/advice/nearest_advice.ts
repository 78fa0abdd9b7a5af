import { editDistance, nearestWord } from '../filter/nearest.ts';
import { KERNEL_SETTINGS } from '../settings/catalogue.ts';
import { lowered } from './advice_text.ts';
import { FOREIGN_SETTINGS } from './foreign/judge_foreign.ts';
import { ADVICE_ITEMS } from './items/mod.ts';

const MOST = 5;
const MOST_WORDS = 30;
/** Shorter words are in too many names to say anything. */
const SHORTEST = 4;
/** From here on two letters may be wrong. */
const LONG_ENOUGH = 6;
/** Words that stand in most advice. */
const COMMON = new Set([
  'ipv4',
  'proc',
  'state',
  'echo',
  'sudo',
  'sysctl',
  'lower',
  'raise',
  'with',
  'that',
  'them',
  'this',
  'from',
  'clear',
]);

/** Every word that means one piece of advice, with the way to ask for it. */
function vocabulary(): Map<string, string> {
  const words = new Map<string, string>();
  const add = (word: string, ask: string) => {
    if (word.length >= SHORTEST && !COMMON.has(word) && !words.has(word)) words.set(word, ask);
  };
  for (const { name } of KERNEL_SETTINGS) add(name, name);
  for (const { name } of FOREIGN_SETTINGS) add(lowered(name), name);
  for (const { id, examples } of ADVICE_ITEMS) {
    for (const word of [id, ...wordsOf(examples[0]), ...wordsOf(id)]) add(word, examples[0]);
  }
  return words;
}

function wordsOf(text: string): string[] {
  return lowered(text).match(/[a-z][a-z0-9_]{2,60}/g) ?? [];
}

/** What may have been meant by a text in which nothing was recognised, the likeliest first; each can be asked for. */
export function nearestAdvice(text: string): string[] {
  const known = vocabulary();
  const asked = [...new Set(wordsOf(text))]
    .filter((word) => word.length >= SHORTEST && !COMMON.has(word))
    .slice(0, MOST_WORDS);
  const typos = asked.flatMap((word) => known.get(typoOf(word, known) ?? '') ?? []);
  const holding = asked.flatMap((word) => [...known].filter(([name]) => holds(name, word)).map(([, ask]) => ask));
  return [...new Set([...typos, ...holding])].slice(0, MOST);
}

/** Two letters of a short word are half of another one. */
function typoOf(word: string, known: ReadonlyMap<string, string>): string | undefined {
  const near = nearestWord(word, known.keys());
  return near !== undefined && (word.length >= LONG_ENOUGH || editDistance(word, near) <= 1) ? near : undefined;
}

/** Whether a part of the name begins with the word: `orphan` in `tcp_max_orphans`, not `rest` in `forest`. */
function holds(name: string, word: string): boolean {
  return name.startsWith(word) || name.includes(`_${word}`);
}
