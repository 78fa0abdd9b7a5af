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
