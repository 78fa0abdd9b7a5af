/** Text from another program, made harmless for a terminal: control characters appear as \xNN. */
export function printable(text: string): string {
  // C0, DEL, C1, and the bidirectional controls that can reorder what a reader sees.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
