import { LITTLE_ENDIAN } from './wire/netlink.ts';

/** What wasm/pack_rows.ts exports; addresses are offsets in its memory. */
interface Exports {
  memory: WebAssembly.Memory;
  REPLY: WebAssembly.Global;
  ROWS: WebAssembly.Global;
  MINISOCKET_ROWS: WebAssembly.Global;
  REQUESTS: WebAssembly.Global;
  COOKIES: WebAssembly.Global;
  rowCount: WebAssembly.Global;
  minisocketCount: WebAssembly.Global;
  packRows(at: number, end: number, sequence: number, apart: boolean): number;
  requestRows(): number;
}

/**
 * Reads the sockets of whole datagrams in a compiled program: as fast for the first as for the last, where the same in
 * JavaScript is slow until V8 has compiled it. The arrays hold what the last call wrote.
 */
export class PackProgram {
  readonly rows: Uint32Array;
  readonly minisocketRows: Uint32Array;
  /** SOCK_DESTROY requests. */
  readonly requests: Uint8Array;
  /** Low half, high half. */
  readonly cookies: Uint32Array;
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #reply: number;
  #end = 0;
  #sequence = 0;

  private constructor(module: WebAssembly.Module) {
    this.#exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    const { memory, ROWS, MINISOCKET_ROWS, REPLY, REQUESTS, COOKIES } = this.#exports;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#reply = REPLY.value;
    this.rows = new Uint32Array(memory.buffer, ROWS.value);
    this.minisocketRows = new Uint32Array(memory.buffer, MINISOCKET_ROWS.value);
    this.requests = new Uint8Array(memory.buffer, REQUESTS.value);
    this.cookies = new Uint32Array(memory.buffer, COOKIES.value);
  }

  /** Undefined where the program cannot be used: its memory is little-endian everywhere, the kernel's replies are not. */
  static of(module: WebAssembly.Module | undefined): PackProgram | undefined {
    return module && LITTLE_ENDIAN ? new PackProgram(module) : undefined;
  }

  /** Takes over a datagram of the dump with this sequence number: at most 32 KiB. */
  begin(bytes: Uint8Array, length: number, sequence: number): void {
    this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#reply);
    this.#end = this.#reply + length;
    this.#sequence = sequence;
  }

  /**
   * Packs sockets from the offset `at` of the datagram on into `rows`, or with `apart` those in TIME_WAIT into
   * `minisocketRows`. @returns where the first message begins that is none of this dump's sockets, or the datagram ends
   */
  pack(at: number, apart: boolean): number {
    return this.#exports.packRows(this.#reply + at, this.#end, this.#sequence, apart) - this.#reply;
  }

  get rowCount(): number {
    return this.#exports.rowCount.value;
  }

  get minisocketCount(): number {
    return this.#exports.minisocketCount.value;
  }

  /** Writes `requests` for the rows packed last, and their `cookies`. @returns how many */
  requestRows(): number {
    return this.#exports.requestRows();
  }
}
