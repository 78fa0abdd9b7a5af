import type { Stream } from '../../effects.ts';

const CHUNK_CHARACTERS = 1 << 16;

/** Collects text and hands it on in large pieces. */
export class TextChunks {
  readonly #stream: Stream;
  #parts: string[] = [];
  #length = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  add(text: string): void {
    this.#parts.push(text);
    this.#length += text.length;
    if (this.#length >= CHUNK_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#length > 0) this.#stream.write(this.#parts.join(''));
    this.#parts = [];
    this.#length = 0;
  }
}
