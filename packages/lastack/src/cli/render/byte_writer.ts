/** Where finished bytes go. Must take all of them before it returns. */
export type Sink = (bytes: Uint8Array) => void;

const FLUSH_BYTES = 1 << 18;
/** Bytes one line may take. */
export const LINE_LIMIT = 8192;

const SPACE = 32;
const ZERO = 48;
const DOT = 46;
const LINE_FEED = 10;

/*
 * Lines are built as bytes, because 300,000 lines of strings would cost more than the kernel's dump. Each `put…` writes
 * at a position and returns the next one: positions kept in local variables are what makes this fast.
 */

export function putBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  let next = at;
  for (let index = 0; index < bytes.length; index++) target[next++] = bytes[index];
  return next;
}

/** A non-negative integer below 2^32 in decimal. */
export function putNumber(target: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    target[at] = ZERO + value;
    return at + 1;
  }
  return value < 100_000 ? putSmall(target, at, value) : putLarge(target, at, value);
}

/** 10 to 99,999: ports, mostly. Integer arithmetic throughout. */
function putSmall(target: Uint8Array, at: number, value: number): number {
  const end = at + (value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : 5);
  let rest = value | 0;
  for (let next = end - 1; next >= at; next--) {
    const tenth = (rest / 10) | 0;
    target[next] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

function putLarge(target: Uint8Array, at: number, value: number): number {
  let next = at;
  for (const digit of String(value)) target[next++] = digit.charCodeAt(0);
  return next;
}

/** Dotted quad of four bytes of `source`. */
export function putIpv4(target: Uint8Array, at: number, source: Uint8Array, from: number): number {
  let next = putOctet(target, at, source[from]);
  target[next] = DOT;
  next = putOctet(target, next + 1, source[from + 1]);
  target[next] = DOT;
  next = putOctet(target, next + 1, source[from + 2]);
  target[next] = DOT;
  return putOctet(target, next + 1, source[from + 3]);
}

function putOctet(target: Uint8Array, at: number, octet: number): number {
  let next = at;
  if (octet >= 10) {
    const tens = (octet * 205) >> 11;
    if (octet >= 100) {
      const hundreds = (octet * 41) >> 12;
      target[next++] = ZERO + hundreds;
      target[next++] = ZERO + tens - hundreds * 10;
    } else {
      target[next++] = ZERO + tens;
    }
    target[next] = ZERO + octet - tens * 10;
  } else {
    target[next] = ZERO + octet;
  }
  return next + 1;
}

/** At least one space, up to the position `column`. */
export function putColumn(target: Uint8Array, at: number, column: number): number {
  let next = at;
  do target[next++] = SPACE;
  while (next < column);
  return next;
}

/** UTF-8, cut at the position `limit`. */
export function putText(target: Buffer, at: number, text: string, limit: number): number {
  return at + target.write(text, at, Math.max(0, limit - at), 'utf8');
}

/** Collects lines and hands them on in large pieces. */
export class LineBuffer {
  readonly #sink: Sink;
  /** Write one line at `at`, at most LINE_LIMIT bytes, then call `endLine`. */
  readonly bytes = Buffer.allocUnsafe(FLUSH_BYTES + LINE_LIMIT);
  at = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** @param end position behind the line's last byte */
  endLine(end: number): void {
    this.bytes[end] = LINE_FEED;
    this.at = end + 1;
    if (this.at >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    if (this.at > 0) this.#sink(this.bytes.subarray(0, this.at));
    this.at = 0;
  }
}
