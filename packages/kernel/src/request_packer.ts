import type { DestroyLanes } from './destroy_lanes.ts';
import type { BulkVisitor } from './dump.ts';
import { PackProgram } from './pack_program.ts';

/** Gives the sockets of whole datagrams to lanes that end them. One without an identity is left out. */
export class RequestPacker implements BulkVisitor {
  /** Sockets taken. */
  count = 0;
  readonly #program: PackProgram;
  readonly #lanes: DestroyLanes;

  private constructor(program: PackProgram, lanes: DestroyLanes) {
    this.#program = program;
    this.#lanes = lanes;
  }

  /** Undefined where there is no compiled program. */
  static into(lanes: DestroyLanes, module: WebAssembly.Module | undefined): RequestPacker | undefined {
    const program = PackProgram.of(module);
    return program && new RequestPacker(program, lanes);
  }

  begin(bytes: Uint8Array, length: number, sequence: number): void {
    this.#program.begin(bytes, length, sequence);
  }

  take(at: number): number {
    const program = this.#program;
    const next = program.pack(at, false);
    this.#lanes.addRequests(program.requests, program.cookies, program.requestRows());
    this.count += program.rowCount;
    return next;
  }
}
