import { TcpState } from '@lastack/core';
import type { BulkVisitor } from '@lastack/kernel';
import { FLUSH_BYTES, LINE_LIMIT, LineBuffer, type Sink } from './byte_writer.ts';
import { idleCells } from './socket_lines.ts';

/** What wasm/reply_lines.ts exports; addresses are offsets in its memory. */
interface Program {
  memory: WebAssembly.Memory;
  TENTHS: WebAssembly.Global;
  TAIL_BYTES: WebAssembly.Global;
  OCTETS: WebAssembly.Global;
  OCTET_LENGTHS: WebAssembly.Global;
  PAIRS: WebAssembly.Global;
  HEADS: WebAssembly.Global;
  TAILS: WebAssembly.Global;
  REPLY: WebAssembly.Global;
  lineEnd: WebAssembly.Global;
  lineCount: WebAssembly.Global;
  writeLines(at: number, end: number, sequence: number, held: number, out: number, limit: number): number;
}

const PAGE_BYTES = 1 << 16;
const HEAD_BYTES = 32;

/**
 * Writes the lines of most sockets straight from the replies of a dump, in a compiled program. What stands behind the
 * addresses is told to it once for all sockets that share it (`share`); a socket without is left to the caller.
 */
export class ReplyLines implements BulkVisitor {
  /** Also written to by others, between two calls. */
  readonly lines: LineBuffer;
  /** Lines written. */
  count = 0;
  readonly #program: Program;
  readonly #bytes: Uint8Array;
  readonly #out: number;
  readonly #reply: number;
  /** Sockets that a process holds are left to the caller. */
  readonly #held: boolean;
  readonly #began: () => void;
  #end = 0;
  #sequence = 0;

  /** @param began is told of each reply before its lines are written */
  constructor(module: WebAssembly.Module, sink: Sink, held: boolean, began: () => void) {
    this.#program = new WebAssembly.Instance(module).exports as Program;
    const { memory } = this.#program;
    this.#out = memory.grow(Math.ceil((FLUSH_BYTES + LINE_LIMIT) / PAGE_BYTES)) * PAGE_BYTES;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#reply = this.#program.REPLY.value;
    this.#held = held;
    this.#began = began;
    this.lines = new LineBuffer(sink, memory.buffer, this.#out);
    this.#fillTables();
  }

  begin(bytes: Uint8Array, length: number, sequence: number): void {
    // A datagram is at most as long as the room for it: 32 KiB.
    this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#reply);
    this.#end = this.#reply + length;
    this.#sequence = sequence;
    this.#began();
  }

  take(at: number): number {
    const { writeLines, lineEnd, lineCount } = this.#program;
    const { lines } = this;
    let from = this.#reply + at;
    for (;;) {
      const start = this.#out + lines.at;
      const limit = this.#out + FLUSH_BYTES;
      const next = writeLines(from, this.#end, this.#sequence, this.#held ? 1 : 0, start, limit);
      if (next === from) return from - this.#reply;
      from = next;
      this.count += lineCount.value;
      lines.goTo(lineEnd.value - this.#out);
    }
  }

  /** What all sockets in TIME_WAIT show that end within this tenth of a second. */
  shareTenth(tenth: number, tail: Uint8Array): void {
    if (tenth < this.#program.TENTHS.value) this.#setTail(tenth, tail);
  }

  /** What they show is no longer true of those to come. */
  forgetTenths(): void {
    const { TAILS, TENTHS, TAIL_BYTES } = this.#program;
    this.#bytes.fill(0, TAILS.value, TAILS.value + TENTHS.value * TAIL_BYTES.value);
  }

  /** What all sockets in this state show that no timer ends. */
  shareState(state: number, tail: Uint8Array): void {
    this.#setTail(this.#program.TENTHS.value + state, tail);
  }

  #setTail(index: number, tail: Uint8Array): void {
    const room = this.#program.TAIL_BYTES.value;
    if (tail.length >= room) return;
    const at = this.#program.TAILS.value + index * room;
    this.#bytes[at] = tail.length;
    this.#bytes.set(tail, at + 1);
  }

  #fillTables(): void {
    const { OCTETS, OCTET_LENGTHS, PAIRS, HEADS } = this.#program;
    for (let octet = 0; octet < 256; octet++) {
      this.#text(OCTETS.value + octet * 4, `${octet}.`);
      this.#bytes[OCTET_LENGTHS.value + octet] = `${octet}.`.length;
    }
    for (let pair = 0; pair < 100; pair++) this.#text(PAIRS.value + pair * 2, String(pair).padStart(2, '0'));
    for (let state = 0; state <= TcpState.BOUND_INACTIVE; state++) {
      this.#text(HEADS.value + state * HEAD_BYTES, idleCells(state));
    }
  }

  #text(at: number, text: string): void {
    for (let index = 0; index < text.length; index++) this.#bytes[at + index] = text.charCodeAt(index);
  }
}
