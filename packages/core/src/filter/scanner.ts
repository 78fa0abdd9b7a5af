import { FilterError } from './filter_error.ts';

/** One word of a filter and where it stands. At the end of the text: an empty word of type `end`. */
export interface Token {
  type: 'word' | 'symbol' | 'end';
  /** Without quotes and backslashes. */
  text: string;
  at: number;
  length: number;
}

const SPACE = /\s/;
/** Longest first. ss wants spaces around these; here they also end a word. */
const SYMBOLS = ['&&', '||', '!=', '==', '<=', '>=', '(', ')', '!', '&', '|', '=', '<', '>'];
const SYMBOL_CHARACTER = /[()!&|=<>]/;

/** Walks over the text of a filter. Words and values are cut differently, so the parser says which it wants. */
export class Scanner {
  readonly text: string;
  #at = 0;
  #peeked: Token | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** The next word or symbol, without taking it. */
  peek(): Token {
    this.#peeked ??= this.#read();
    return this.#peeked;
  }

  take(): Token {
    const token = this.peek();
    this.#at = token.at + token.length;
    this.#peeked = undefined;
    return token;
  }

  /** Takes the next word or symbol if it is one of these. */
  takeIf(words: ReadonlySet<string>): Token | undefined {
    const token = this.peek();
    return token.type !== 'end' && words.has(token.text) ? this.take() : undefined;
  }

  /**
   * The next value: everything up to a space, so that paths and names may hold symbols. A closing parenthesis ends it
   * unless the value opened one (`(sd-pam)`). Quotes and backslashes as in a shell.
   */
  takeValue(): Token {
    this.#peeked = undefined;
    this.#skipSpace();
    const at = this.#at;
    let text = '';
    let depth = 0;
    let quote = '';
    let index = at;
    for (; index < this.text.length; index++) {
      const character = this.text[index];
      if (character === '\\' && quote !== "'" && index + 1 < this.text.length) text += this.text[++index];
      else if (quote !== '') {
        if (character === quote) quote = '';
        else text += character;
      } else if (character === '"' || character === "'") quote = character;
      else if (SPACE.test(character) || (character === ')' && depth === 0)) break;
      else {
        if (character === '(') depth++;
        if (character === ')') depth--;
        text += character;
      }
    }
    if (quote !== '') {
      throw new FilterError(`this ${quote} has no partner`, {
        text: this.text,
        at,
        length: index - at,
        expected: [quote],
      });
    }
    this.#at = index;
    return { type: index === at ? 'end' : 'word', text, at, length: index - at };
  }

  #read(): Token {
    this.#skipSpace();
    const at = this.#at;
    if (at >= this.text.length) return { type: 'end', text: '', at, length: 0 };
    // `\(` and `\!` arrive when a filter was quoted twice for the shell.
    const escaped = this.text[at] === '\\' && SYMBOL_CHARACTER.test(this.text[at + 1] ?? '') ? 1 : 0;
    const symbol = SYMBOLS.find((candidate) => this.text.startsWith(candidate, at + escaped));
    if (symbol !== undefined) return { type: 'symbol', text: symbol, at, length: symbol.length + escaped };
    let end = at;
    while (end < this.text.length && !SPACE.test(this.text[end]) && !SYMBOL_CHARACTER.test(this.text[end])) end++;
    return { type: 'word', text: this.text.slice(at, end), at, length: end - at };
  }

  #skipSpace(): void {
    while (this.#at < this.text.length && SPACE.test(this.text[this.#at])) this.#at++;
  }
}
