import { parseState } from '../tcp/parse_state.ts';
import { type StateName, stateName } from '../tcp/states.ts';

/** Characters of one question. Longer texts are refused, so that no pattern ever sees one. */
export const MAX_ADVICE_LENGTH = 8000;

const TYPOGRAPHIC: Readonly<Record<string, string>> = {
  '\u2018': "'",
  '\u2019': "'",
  '\u201c': '"',
  '\u201d': '"',
  '\u2010': '-',
  '\u2011': '-',
  '\u2012': '-',
  '\u2013': '-',
  '\u2212': '-',
};

/**
 * Pasted text as it was meant: web pages turn quotes and dashes into typographic ones. Control characters and those
 * that reorder a line become blanks, so that no part of it can reach a terminal.
 */
export function cleanAdvice(text: string): string {
  return text
    .slice(0, MAX_ADVICE_LENGTH)
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/[\u2018\u2019\u201c\u201d\u2010-\u2013\u2212]/g, (character) => TYPOGRAPHIC[character])
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, ' ')
    .replaceAll(/\p{Cs}/gu, ' ');
}

/** ASCII letters in lower case: places in the text stay where they are. */
export function lowered(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

const STATE =
  /\b(?:fin[-_ ]?wait[-_ ]?[12]|time[-_ ]?wait|close[-_ ]?wait|last[-_ ]?ack|established|syn[-_ ]?sent|syn[-_ ]?(?:recv|received))\b/g;
const SENTENCE_END = /[\n;]|\.\s/;

/** States that the sentence around a place in the text names, each once. */
export function statesAround(text: string, start: number, end: number): StateName[] {
  const before = text.slice(0, start).split(SENTENCE_END).at(-1) ?? '';
  const after = text.slice(end).split(SENTENCE_END, 1)[0];
  const sentence = `${before}${text.slice(start, end)}${after}`;
  const numbers = [...sentence.matchAll(STATE)].map(([name]) => parseState(name.replaceAll(/[ _]/g, '-')));
  return [...new Set(numbers)].filter((number) => number !== undefined).map((number) => stateName(number) as StateName);
}
