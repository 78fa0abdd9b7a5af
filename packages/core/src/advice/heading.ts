const QUOTES = ['"', "'", '`'] as const;
/** How far behind a piece the end of its quotation may stand. */
const BEHIND = 60;

/** The piece of a text from `start` to `end` as one line, with its quotation whole, and without the end of one around it. */
export function pieceOf(clean: string, start: number, end: number): string {
  const line = clean.slice(clean.lastIndexOf('\n', start - 1) + 1, start);
  const behind = clean.slice(end, end + BEHIND).split('\n', 1)[0];
  const piece = QUOTES.reduce((text, quote) => balanced(text, quote, line, behind), clean.slice(start, end));
  return piece
    .replaceAll(/\s+/g, ' ')
    .replace(/[\s,=:&(]+$/, '')
    .trim();
}

function balanced(text: string, quote: string, before: string, behind: string): string {
  if (isOpen(before, quote)) return text.split(quote, 1)[0];
  if (!isOpen(text, quote)) return text;
  if (text.trimEnd().endsWith(quote)) return text.slice(0, text.lastIndexOf(quote));
  const close = behind.indexOf(quote);
  return close < 0 ? text : text + behind.slice(0, close + 1);
}

/** An apostrophe inside a word opens nothing. */
function isOpen(text: string, quote: string): boolean {
  const marks = text.replaceAll(/[a-z]'[a-z]/gi, '').split(quote).length - 1;
  return marks % 2 === 1;
}
