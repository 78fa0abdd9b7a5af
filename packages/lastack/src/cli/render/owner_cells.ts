import type { Owner, Row, SocketKind } from '@lastack/core';
import type { DiagTable } from '@lastack/kernel';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import { type LineBuffer, putBytes, putNumber, putText } from './byte_writer.ts';
import { printable } from './printable.ts';
import { ownerCell } from './socket_lines.ts';

/** OWNER cells as bytes: what most of them consist of is made once for each kind and process. */
export class OwnerCells {
  readonly #kinds = new Map<SocketKind, Uint8Array>();
  readonly #processes = new Map<number, Uint8Array>();

  /** Writes at `at`, not beyond `limit`. @returns the position behind it */
  put(lines: LineBuffer, at: number, limit: number, table: DiagTable, row: Row, namespace: ListedNamespace): number {
    const inode = table.inode(row);
    if (inode === 0) return putBytes(lines.bytes, at, this.#kind(table.kind(row)));
    const holders = namespace.owners?.get(inode);
    if (holders?.length !== 1) return putText(lines.bytes, at, ownerCell(table, row, namespace), limit);
    const [holder] = holders;
    return putNumber(lines.view, putBytes(lines.bytes, at, this.#process(holder)), holder.fd);
  }

  #kind(kind: SocketKind): Uint8Array {
    let bytes = this.#kinds.get(kind);
    if (bytes === undefined) {
      bytes = Buffer.from(kind);
      this.#kinds.set(kind, bytes);
    }
    return bytes;
  }

  #process({ pid, command }: Owner): Uint8Array {
    let bytes = this.#processes.get(pid);
    if (bytes === undefined) {
      bytes = Buffer.from(`${printable(command)}[${pid}] fd `);
      this.#processes.set(pid, bytes);
    }
    return bytes;
  }
}
