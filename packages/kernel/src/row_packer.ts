import type { BulkVisitor } from './dump.ts';
import { LITTLE_ENDIAN } from './wire/netlink.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** What wasm/pack_rows.ts exports; addresses are offsets in its memory. */
interface Program {
  memory: WebAssembly.Memory;
  REPLY: WebAssembly.Global;
  ROWS: WebAssembly.Global;
  MINISOCKET_ROWS: WebAssembly.Global;
  rowCount: WebAssembly.Global;
  minisocketCount: WebAssembly.Global;
  packRows(at: number, end: number, sequence: number, apart: boolean): number;
}

/**
 * Puts the sockets of whole datagrams into a table at once, by a compiled program: as fast for the first as for the
 * last, where the same in JavaScript is slow until V8 has compiled it.
 */
export class RowPacker implements BulkVisitor {
  readonly #program: Program;
  readonly #table: DiagTable;
  readonly #bytes: Uint8Array;
  readonly #rows: Uint32Array;
  readonly #minisocketRows: Uint32Array;
  readonly #reply: number;
  #end = 0;
  #sequence = 0;

  private constructor(module: WebAssembly.Module, table: DiagTable) {
    this.#program = new WebAssembly.Instance(module).exports as Program;
    const { memory, ROWS, MINISOCKET_ROWS, REPLY } = this.#program;
    this.#table = table;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#rows = new Uint32Array(memory.buffer, ROWS.value);
    this.#minisocketRows = new Uint32Array(memory.buffer, MINISOCKET_ROWS.value);
    this.#reply = REPLY.value;
  }

  /** Undefined where the program cannot be used: its memory is little-endian everywhere, the kernel's replies are not. */
  static into(table: DiagTable, module: WebAssembly.Module | undefined): RowPacker | undefined {
    return module && LITTLE_ENDIAN ? new RowPacker(module, table) : undefined;
  }

  begin(bytes: Uint8Array, length: number, sequence: number): void {
    this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#reply);
    this.#end = this.#reply + length;
    this.#sequence = sequence;
  }

  take(at: number): number {
    const table = this.#table;
    const apart = table.keepsApart;
    const next = this.#program.packRows(this.#reply + at, this.#end, this.#sequence, apart);
    if (apart) {
      table.appendOthers(this.#rows, this.#program.rowCount.value);
      table.appendPacked(this.#minisocketRows, this.#program.minisocketCount.value);
    } else table.appendPacked(this.#rows, this.#program.rowCount.value);
    return next - this.#reply;
  }
}
