import { readFileSync } from 'node:fs';
import { errorCode } from './errors.ts';

/** The text of a small kernel file, or undefined when the kernel refuses it for whatever reason (absent, gone, forbidden). */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** A decimal number, undefined for anything that is not wholly one. */
export function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  return /^-?\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

// C0, DEL, C1, line and paragraph separators, and the marks that reorder text.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Names chosen by strangers (process, unit, namespace) made fit for a terminal: `\x1b` instead of the byte. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
