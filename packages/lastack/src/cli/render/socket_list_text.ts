import { type Row, TcpState, TimerCode } from '@lastack/core';
import type { DiagTable } from '@lastack/kernel';
import type { Stream } from '../../effects.ts';
import { forecastListed } from '../../engine/forecast_listed.ts';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import { ByteWriter } from './byte_writer.ts';
import { clearsText } from './clears.ts';
import { type Layout, layoutFor, ownerText, type SocketCells, writeHeader, writeRow } from './socket_lines.ts';

export interface ListTextOptions {
  /** Show the NETNS column. */
  namespaces: boolean;
  owners: boolean;
  timerHz: number | undefined;
}

/** IPv4 address and port, which most lists consist of. Longer ones shift their line. */
const ADDRESS_WIDTH = 21;

/** The table that `ls` prints. The header comes with the first socket, so that an empty list stays empty. */
export class SocketListText {
  readonly #writer: ByteWriter;
  readonly #layout: Layout;
  readonly #options: ListTextOptions;
  readonly #clears: ClearsCells;
  #cells: SocketCells;
  #table: DiagTable | undefined;
  #namespace: ListedNamespace | undefined;

  constructor(stream: Stream, options: ListTextOptions) {
    this.#writer = new ByteWriter((bytes) => stream.write(bytes));
    this.#options = options;
    this.#layout = layoutFor(ADDRESS_WIDTH, options.namespaces);
    this.#clears = new ClearsCells(options.timerHz);
    this.#cells = { clears: () => UNKNOWN };
  }

  readonly add = (table: DiagTable, row: Row, namespace: ListedNamespace): void => {
    if (table !== this.#table || namespace !== this.#namespace) this.#begin(table, namespace);
    writeRow(this.#writer, this.#layout, table, row, this.#cells);
  };

  end(): void {
    this.#writer.flush();
  }

  #begin(table: DiagTable, namespace: ListedNamespace): void {
    const { namespaces, owners } = this.#options;
    if (this.#table === undefined) writeHeader(this.#writer, this.#layout, { namespace: namespaces, owner: owners });
    this.#table = table;
    this.#namespace = namespace;
    this.#cells = {
      namespace: namespaces ? namespace.label : undefined,
      clears: (row) => this.#clears.cell(table, row, namespace),
      owner: owners ? (row) => ownerCell(table, row, namespace) : undefined,
    };
  }
}

const UNKNOWN = Buffer.from('unknown');

/** CLEARS cells, kept by what they depend on: most sockets of a host share a few. */
class ClearsCells {
  readonly #timerHz: number | undefined;
  readonly #byText = new Map<string, Uint8Array>();
  readonly #untimed: (Uint8Array | undefined)[] = [];
  readonly #timeWait: (Uint8Array | undefined)[] = [];

  constructor(timerHz: number | undefined) {
    this.#timerHz = timerHz;
  }

  cell(table: DiagTable, row: Row, namespace: ListedNamespace): Uint8Array {
    const timer = table.timer(row);
    const state = table.state(row);
    if (timer === TimerCode.NONE && table.inode(row) !== 0) {
      this.#untimed[state] ??= this.#make(table, row, namespace);
      return this.#untimed[state];
    }
    if (timer !== TimerCode.TIME_WAIT || state !== TcpState.TIME_WAIT) return this.#make(table, row, namespace);
    // The cell shows whole seconds: sockets that end within the same tenth share it.
    const tenth = Math.ceil(table.timerExpiresMs(row) / 100);
    this.#timeWait[tenth] ??= this.#make(table, row, namespace);
    return this.#timeWait[tenth];
  }

  #make(table: DiagTable, row: Row, namespace: ListedNamespace): Uint8Array {
    const text = clearsText(forecastListed(table, row, namespace, this.#timerHz));
    let bytes = this.#byText.get(text);
    if (bytes === undefined) {
      bytes = Buffer.from(text);
      this.#byText.set(text, bytes);
    }
    return bytes;
  }
}

/** Who holds the socket, or why nobody does. */
function ownerCell(table: DiagTable, row: Row, { owners }: ListedNamespace): string {
  const inode = table.inode(row);
  if (inode === 0) return table.kind(row);
  const holders = owners?.get(inode);
  return holders === undefined ? 'unknown' : ownerText(holders);
}
