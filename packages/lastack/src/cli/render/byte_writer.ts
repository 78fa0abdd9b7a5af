/** Where finished bytes go. Must take all of them before it returns. */
export type Sink = (bytes: Uint8Array) => void;

/** From here on what was collected is handed on. */
export const FLUSH_BYTES = 1 << 18;
/** Bytes one line may take. */
export const LINE_LIMIT = 8192;

const ZERO = 48;
const LINE_FEED = 10;
const FOUR_SPACES = 0x2020_2020;

/*
 * Lines are built as bytes, because 300,000 lines of strings would cost more than the kernel's dump. Each `put…` writes
 * at a position and returns the next one: positions kept in local variables are what makes this fast. Several bytes are
 * stored at once where they are known together; what is stored too much is overwritten by what follows.
 */

/** Two digits each, in the order of memory: `00` to `99`. */
const PAIRS = Uint16Array.from({ length: 100 }, (_, value) => packed(String(value).padStart(2, '0')));
/** `0.` to `255.`, and how many bytes of it count. */
const OCTETS = Uint32Array.from({ length: 256 }, (_, value) => packed(`${value}.`));
const OCTET_LENGTHS = Uint8Array.from({ length: 256 }, (_, value) => (value < 10 ? 2 : value < 100 ? 3 : 4));

function packed(text: string): number {
  let value = 0;
  for (let index = text.length - 1; index >= 0; index--) value = value * 256 + text.charCodeAt(index);
  return value;
}

/** ASCII text for `putWords`; its length is a multiple of four. */
export function wordsOf(text: string): Uint32Array {
  return Uint32Array.from({ length: text.length / 4 }, (_, index) => packed(text.slice(index * 4, index * 4 + 4)));
}

export function putWords(target: DataView, at: number, words: Uint32Array): number {
  for (let index = 0; index < words.length; index++) target.setUint32(at + index * 4, words[index], true);
  return at + words.length * 4;
}

export function putBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index++) target[at + index] = bytes[index];
  return at + bytes.length;
}

/** A non-negative integer below 2^32 in decimal. */
export function putNumber(target: DataView, at: number, value: number): number {
  if (value < 10) {
    target.setUint8(at, ZERO + value);
    return at + 1;
  }
  const end = at + digitsOf(value);
  let next = end;
  let rest = value;
  while (rest >= 10) {
    const hundredth = rest < 0x4000_0000 ? ((rest | 0) / 100) | 0 : Math.floor(rest / 100);
    next -= 2;
    target.setUint16(next, PAIRS[rest - hundredth * 100], true);
    rest = hundredth;
  }
  if (next > at) target.setUint8(at, ZERO + rest);
  return end;
}

function digitsOf(value: number): number {
  if (value < 100_000) return value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : 5;
  let digits = 6;
  for (let limit = 1_000_000; value >= limit; limit *= 10) digits++;
  return digits;
}

/** Dotted quad of four bytes of `source`. */
export function putIpv4(target: DataView, at: number, source: Uint8Array, from: number): number {
  let next = at;
  for (let index = from; index < from + 4; index++) {
    const octet = source[index];
    target.setUint32(next, OCTETS[octet], true);
    next += OCTET_LENGTHS[octet];
  }
  return next - 1;
}

/** At least one space, up to the position `column`. */
export function putColumn(target: DataView, at: number, column: number): number {
  target.setUint32(at, FOUR_SPACES, true);
  for (let next = at + 4; next < column; next += 4) target.setUint32(next, FOUR_SPACES, true);
  return at < column ? column : at + 1;
}

/** UTF-8, cut at the position `limit`. */
export function putText(target: Buffer, at: number, text: string, limit: number): number {
  return at + target.write(text, at, Math.max(0, limit - at), 'utf8');
}

/** Collects lines and hands them on in large pieces. */
export class LineBuffer {
  readonly #sink: Sink;
  /** Write one line at `at`, at most LINE_LIMIT bytes, then call `endLine`. */
  readonly bytes: Buffer;
  /** The same memory. */
  readonly view: DataView;
  at = 0;

  /** @param memory FLUSH_BYTES + LINE_LIMIT bytes of it, from `offset` on, are used */
  constructor(sink: Sink, memory: ArrayBufferLike = new ArrayBuffer(FLUSH_BYTES + LINE_LIMIT), offset = 0) {
    this.#sink = sink;
    this.bytes = Buffer.from(memory, offset, FLUSH_BYTES + LINE_LIMIT);
    this.view = new DataView(memory, offset, FLUSH_BYTES + LINE_LIMIT);
  }

  /** @param end position behind the line's last byte */
  endLine(end: number): void {
    this.bytes[end] = LINE_FEED;
    this.goTo(end + 1);
  }

  /** Whole lines were written up to `at`. */
  goTo(at: number): void {
    this.at = at;
    if (at >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    if (this.at > 0) this.#sink(this.bytes.subarray(0, this.at));
    this.at = 0;
  }
}
