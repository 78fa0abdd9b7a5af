import type { BulkVisitor } from './dump.ts';
import { PackProgram } from './pack_program.ts';
import type { DiagTable } from './wire/socket_table.ts';

/** Puts the sockets of whole datagrams into a table at once. */
export class RowPacker implements BulkVisitor {
  readonly #program: PackProgram;
  readonly #table: DiagTable;

  private constructor(program: PackProgram, table: DiagTable) {
    this.#program = program;
    this.#table = table;
  }

  /** Undefined where there is no compiled program. */
  static into(table: DiagTable, module: WebAssembly.Module | undefined): RowPacker | undefined {
    const program = PackProgram.of(module);
    return program && new RowPacker(program, table);
  }

  begin(bytes: Uint8Array, length: number, sequence: number): void {
    this.#program.begin(bytes, length, sequence);
  }

  take(at: number): number {
    const program = this.#program;
    const table = this.#table;
    const apart = table.keepsApart;
    const next = program.pack(at, apart);
    if (apart) {
      table.appendOthers(program.rows, program.rowCount);
      table.appendPacked(program.minisocketRows, program.minisocketCount);
    } else table.appendPacked(program.rows, program.rowCount);
    return next;
  }
}
