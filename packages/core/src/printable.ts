/**
 * C0, DEL, C1, line and paragraph separators, and what formats text without being seen: the marks that reorder it, joiners,
 * the soft hyphen. All of them are single UTF-16 units.
 */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * Text from a stranger (names of processes, units and namespaces, a filter, a file) made fit for a terminal: `\x1b`
 * instead of the byte, `\u202e` instead of the mark.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The same where each character has to keep its place, or reads better short: a question mark for each. */
export function masked(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}
