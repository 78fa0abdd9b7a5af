import { type Row, socketKind, TcpState, TimerCode } from '@lastack/core';
import { DiagField, type DiagTable } from '@lastack/kernel';
import type { Stream } from '../../effects.ts';
import { forecastListed } from '../../engine/forecast_listed.ts';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import { LINE_LIMIT, LineBuffer, putColumn, putText } from './byte_writer.ts';
import { clearsText } from './clears.ts';
import { conntrackCell } from './conntrack_cell.ts';
import { OwnerCells } from './owner_cells.ts';
import { headerLine, type Layout, layoutFor, putSocket } from './socket_lines.ts';

export interface ListTextOptions {
  /** Show the NETNS column. */
  namespaces: boolean;
  owners: boolean;
  /** Show the CONNTRACK column, the last one. */
  conntrack: boolean;
  timerHz: () => number | undefined;
}

/** `lab-server[12345] fd 20`: longer ones move the CONNTRACK cell to the right. */
const OWNER_WIDTH = 28;

/** The table that `ls` prints. The header comes with the first socket, so that an empty list stays empty. */
export class SocketListText {
  readonly #lines: LineBuffer;
  readonly #layout: Layout;
  readonly #options: ListTextOptions;
  readonly #clears: ClearsCells;
  readonly #owners = new OwnerCells();
  #started = false;

  constructor(stream: Stream, options: ListTextOptions) {
    this.#lines = new LineBuffer((bytes) => stream.write(bytes));
    this.#options = options;
    this.#layout = layoutFor(options.namespaces);
    this.#clears = new ClearsCells(options.timerHz);
  }

  readonly add = (table: DiagTable, row: Row, namespace: ListedNamespace): void => {
    const { namespaces, owners, conntrack } = this.#options;
    if (!this.#started) this.#header();
    const clears = this.#clears.cell(table, row, namespace);
    const lines = this.#lines;
    const start = lines.at;
    const { bytes, words } = table;
    const label = namespaces ? namespace.label : undefined;
    const source = table.offset(row);
    let end = putSocket(lines, this.#layout, bytes, words, source, table.state(row) & 15, clears, label);
    if (owners) {
      const at = putColumn(lines.view, end, start + this.#layout.owner);
      end = this.#owners.put(lines, at, start + LINE_LIMIT - 1, table, row, namespace);
    }
    if (conntrack) {
      const at = putColumn(lines.view, end, start + this.#conntrackColumn());
      end = putText(lines.bytes, at, conntrackCell(namespace.conntrack, table, row), start + LINE_LIMIT - 1);
    }
    lines.endLine(end);
  };

  /**
   * The same straight from a reply, for the sockets that nothing but these bytes is shown of: most of a large host.
   * @returns false when the line takes more; nothing is written then
   */
  readonly addReply = (bytes: Uint8Array, words: Uint32Array, at: number, namespace: ListedNamespace): boolean => {
    const { namespaces, owners } = this.#options;
    const state = bytes[at + DiagField.state];
    const timer = bytes[at + DiagField.timer];
    const inode = words[(at + DiagField.inode) >> 2];
    if ((owners && inode !== 0) || state === TcpState.CLOSE) return false;
    const clears = this.#clears.known(state, timer, inode, words[(at + DiagField.expiresMs) >> 2]);
    if (clears === undefined) return false;
    const lines = this.#lines;
    const start = lines.at;
    const label = namespaces ? namespace.label : undefined;
    let end = putSocket(lines, this.#layout, bytes, words, at, state & 15, clears, label);
    if (owners) {
      const column = putColumn(lines.view, end, start + this.#layout.owner);
      end = this.#owners.putKind(lines, column, socketKind(state, timer, inode));
    }
    lines.endLine(end);
    return true;
  };

  /** In place of the owner, or behind what most owners take. */
  #conntrackColumn(): number {
    return this.#layout.owner + (this.#options.owners ? OWNER_WIDTH : 0);
  }

  readonly end = (): void => {
    this.#lines.flush();
  };

  #header(): void {
    this.#started = true;
    const lines = this.#lines;
    const { owners, conntrack } = this.#options;
    const cells = headerLine(this.#layout, owners);
    const header = conntrack ? `${cells.padEnd(this.#conntrackColumn())}CONNTRACK` : cells;
    lines.endLine(putText(lines.bytes, lines.at, header, LINE_LIMIT));
  }
}

/** CLEARS cells, kept by what they depend on: most sockets of a host share a few. */
class ClearsCells {
  readonly #timerHz: ListTextOptions['timerHz'];
  readonly #byText = new Map<string, Uint8Array>();
  readonly #untimed: (Uint8Array | undefined)[] = [];
  readonly #timeWait: (Uint8Array | undefined)[] = [];

  constructor(timerHz: ListTextOptions['timerHz']) {
    this.#timerHz = timerHz;
  }

  cell(table: DiagTable, row: Row, namespace: ListedNamespace): Uint8Array {
    const timer = table.timer(row);
    const state = table.state(row);
    // The cell shows whole seconds: sockets that end within the same tenth of one share it.
    if (state === TcpState.TIME_WAIT) {
      const tenth = (table.timerExpiresMs(row) / 100) | 0;
      this.#timeWait[tenth] ??= this.#make(table, row, namespace);
      return this.#timeWait[tenth];
    }
    if (timer === TimerCode.NONE && table.inode(row) !== 0) {
      this.#untimed[state] ??= this.#make(table, row, namespace);
      return this.#untimed[state];
    }
    return this.#make(table, row, namespace);
  }

  /** The cell of an earlier socket that would show the same; undefined: not yet, or the socket's own alone. */
  known(state: number, timer: number, inode: number, expiresMs: number): Uint8Array | undefined {
    if (state === TcpState.TIME_WAIT) return this.#timeWait[(expiresMs / 100) | 0];
    return timer === TimerCode.NONE && inode !== 0 ? this.#untimed[state] : undefined;
  }

  #make(table: DiagTable, row: Row, namespace: ListedNamespace): Uint8Array {
    const text = clearsText(forecastListed(table, row, namespace, this.#timerHz()));
    let bytes = this.#byText.get(text);
    if (bytes === undefined) {
      bytes = Buffer.from(text);
      this.#byText.set(text, bytes);
    }
    return bytes;
  }
}
