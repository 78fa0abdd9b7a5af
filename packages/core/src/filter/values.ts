/**
 * Reads a number as C's strtol with base 0 does: `0x1f` hexadecimal, `017` octal, else decimal. No sign; undefined when
 * the text is anything else or above `maximum`.
 */
export function parseInteger(text: string, maximum: number): number | undefined {
  let value: number;
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) value = Number.parseInt(text.slice(2), 16);
  else if (/^0[0-7]*$/.test(text)) value = Number.parseInt(text, 8);
  else if (/^[1-9][0-9]*$/.test(text)) value = Number.parseInt(text, 10);
  else return undefined;
  return value <= maximum ? value : undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90`, `90s`, `1h30m`, `1.5d` into milliseconds; a bare number is seconds. */
export function parseDurationMs(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * UNIT_MS.s;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) total += Number(amount) * UNIT_MS[unit];
  return total;
}

const SIZE_BYTES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Reads `100`, `64k`, `1.5m` into bytes, in powers of 1024. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(text);
  return match ? Number(match[1]) * SIZE_BYTES[match[2].toLowerCase()] : undefined;
}

/** Reads `0x1` or `0x1/0xff` as `fwmark` of ss does. */
export function parseMark(text: string): { mark: number; mask: number } | undefined {
  const [markText, maskText, ...more] = text.split('/');
  const mark = parseInteger(markText, 0xffffffff);
  const mask = maskText === undefined ? 0xffffffff : parseInteger(maskText, 0xffffffff);
  return mark === undefined || mask === undefined || more.length > 0 ? undefined : { mark, mask };
}
