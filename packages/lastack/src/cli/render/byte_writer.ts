/** Where finished bytes go. Must take all of them before it returns. */
export type Sink = (bytes: Uint8Array) => void;

const FLUSH_BYTES = 1 << 18;
const SPACE = 32;
const ZERO = 48;
const DOT = 46;

/**
 * Builds lines as bytes, because 300,000 lines of strings would cost more than the kernel's dump. Not for prose.
 * A line may be at most `LINE_LIMIT` bytes between two calls of `endLine`.
 */
export class ByteWriter {
  readonly #sink: Sink;
  readonly #buffer = Buffer.allocUnsafe(FLUSH_BYTES + LINE_LIMIT);
  #at = 0;
  #lineStart = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Any text; UTF-8. Cut when the line would grow beyond its limit. */
  text(text: string): void {
    this.#at += this.#buffer.write(text, this.#at, this.#lineStart + LINE_LIMIT - 2 - this.#at, 'utf8');
  }

  /** Ready-made bytes, short. */
  bytes(bytes: Uint8Array): void {
    const buffer = this.#buffer;
    let at = this.#at;
    for (let index = 0; index < bytes.length; index++) buffer[at++] = bytes[index];
    this.#at = at;
  }

  byte(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  /** A non-negative integer below 2^32 in decimal. */
  number(value: number): void {
    if (value < 10) {
      this.#buffer[this.#at++] = ZERO + value;
      return;
    }
    let digits = 2;
    for (let limit = 100; value >= limit; limit *= 10) digits++;
    const end = this.#at + digits;
    let rest = value;
    for (let at = end - 1; at >= this.#at; at--) {
      const next = Math.floor(rest / 10);
      this.#buffer[at] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#at = end;
  }

  /** Dotted quad of four bytes at `from`. */
  ipv4(source: Uint8Array, from: number): void {
    const buffer = this.#buffer;
    let at = this.#at;
    for (let index = 0; index < 4; index++) {
      if (index > 0) buffer[at++] = DOT;
      const octet = source[from + index];
      if (octet >= 100) buffer[at++] = ZERO + ((octet * 41) >> 12);
      if (octet >= 10) buffer[at++] = ZERO + (((octet * 205) >> 11) % 10);
      buffer[at++] = ZERO + (octet % 10);
    }
    this.#at = at;
  }

  /** Spaces up to a column of the line, and at least one. */
  column(column: number): void {
    const buffer = this.#buffer;
    const target = this.#lineStart + column;
    let at = this.#at;
    do buffer[at++] = SPACE;
    while (at < target);
    this.#at = at;
  }

  endLine(): void {
    this.#buffer[this.#at++] = 10;
    this.#lineStart = this.#at;
    if (this.#at >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    if (this.#at > 0) this.#sink(this.#buffer.subarray(0, this.#at));
    this.#at = 0;
    this.#lineStart = 0;
  }
}

/** Bytes one line may take. */
export const LINE_LIMIT = 8192;
