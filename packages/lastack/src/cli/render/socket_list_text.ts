import { type Row, type SocketKind, TcpState, TimerCode } from '@lastack/core';
import { type DiagTable, LITTLE_ENDIAN } from '@lastack/kernel';
import type { Stream } from '../../effects.ts';
import { forecastListed } from '../../engine/forecast_listed.ts';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import { LINE_LIMIT, LineBuffer, putColumn, putText } from './byte_writer.ts';
import { clearsText } from './clears.ts';
import { conntrackCell } from './conntrack_cell.ts';
import { OwnerCells } from './owner_cells.ts';
import { ReplyLines } from './reply_lines.ts';
import { headerLine, type Layout, layoutFor, putSocket } from './socket_lines.ts';

export interface ListTextOptions {
  /** Show the NETNS column. */
  namespaces: boolean;
  owners: boolean;
  /** Show the CONNTRACK column, the last one. */
  conntrack: boolean;
  timerHz: () => number | undefined;
  /** Milliseconds since the moment from which the forecasts count. */
  sinceMs: () => number;
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
  readonly #bulk: ReplyLines | undefined;
  #started = false;

  /** @param program the compiled writer of lines, for lists that it can write. */
  constructor(stream: Stream, options: ListTextOptions, program?: WebAssembly.Module) {
    const sink = (bytes: Uint8Array) => stream.write(bytes);
    // It knows neither the columns that it would have to search for nor the one in front.
    const canBulk = program !== undefined && LITTLE_ENDIAN && !options.namespaces && !options.conntrack;
    this.#bulk = canBulk ? new ReplyLines(program, sink, options.owners, () => this.read()) : undefined;
    this.#lines = this.#bulk?.lines ?? new LineBuffer(sink);
    this.#options = options;
    this.#layout = layoutFor(options.namespaces);
    this.#clears = new ClearsCells(options.timerHz);
    this.read();
  }

  /** Writes most lines straight from the replies of the dump. */
  get bulk(): ReplyLines | undefined {
    return this.#bulk;
  }

  /** What is added from now on until the next call was read before this one. */
  readonly read = (): void => {
    if (this.#clears.readWithin(this.#options.sinceMs())) this.#bulk?.forgetTenths();
  };

  readonly add = (table: DiagTable, row: Row, namespace: ListedNamespace): void => {
    const { namespaces, owners, conntrack } = this.#options;
    if (!this.#started) this.#header();
    const clears = this.#clears.cell(table, row, namespace);
    const lines = this.#lines;
    const start = lines.at;
    let end = putSocket(lines, this.#layout, table, row, clears, namespaces ? namespace.label : undefined);
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

  /** Tells the compiled writer, which left this socket, what further ones of its kind will show. */
  readonly learn = (table: DiagTable, row: Row, namespace: ListedNamespace): void => {
    const state = table.state(row);
    const isTimeWait = state === TcpState.TIME_WAIT;
    if (!isTimeWait && !isUntimed(table, row)) return;
    const clears = this.#clears.cell(table, row, namespace);
    if (isTimeWait) this.#bulk?.shareTenth(tenthOf(table, row), this.#withKind(clears, table.kind(row)));
    else this.#bulk?.shareState(state, clears);
  };

  /** The end of a line of a socket that nobody holds. */
  #withKind(clears: Uint8Array, kind: SocketKind): Uint8Array {
    if (!this.#options.owners) return clears;
    const { owner, clears: column } = this.#layout;
    return Buffer.from(`${new TextDecoder().decode(clears)}`.padEnd(owner - column) + kind);
  }

  /** In place of the owner, or behind what most owners take. */
  #conntrackColumn(): number {
    return this.#layout.owner + (this.#options.owners ? OWNER_WIDTH : 0);
  }

  end(): void {
    this.#lines.flush();
  }

  #header(): void {
    this.#started = true;
    const lines = this.#lines;
    const { owners, conntrack } = this.#options;
    const cells = headerLine(this.#layout, owners);
    const header = conntrack ? `${cells.padEnd(this.#conntrackColumn())}CONNTRACK` : cells;
    lines.endLine(putText(lines.bytes, lines.at, header, LINE_LIMIT));
  }
}

function tenthOf(table: DiagTable, row: Row): number {
  return (table.timerExpiresMs(row) / 100) | 0;
}

/** No timer runs, and its owner is known to be one: what ends it depends on its state alone. */
function isUntimed(table: DiagTable, row: Row): boolean {
  return table.timer(row) === TimerCode.NONE && table.inode(row) !== 0;
}

/**
 * Shared cells allow for the time that reading takes in steps of this: a list of 100,000 sockets is written within one or
 * two, and then all of them are made anew.
 */
const READ_STEP_MS = 200;
/** Of sockets that share a cell one may end so much later than another. */
const TENTH_MS = 100;

/** CLEARS cells, kept by what they depend on: most sockets of a host share a few. */
class ClearsCells {
  readonly #timerHz: ListTextOptions['timerHz'];
  readonly #byText = new Map<string, Uint8Array>();
  readonly #untimed: (Uint8Array | undefined)[] = [];
  readonly #timeWait: (Uint8Array | undefined)[] = [];

  #readWithinMs = 0;
  /** The same in steps. */
  #sharedWithinMs = 0;

  constructor(timerHz: ListTextOptions['timerHz']) {
    this.#timerHz = timerHz;
  }

  /** Further sockets were read so long after the moment from which forecasts count. @returns whether cells change */
  readWithin(ms: number): boolean {
    this.#readWithinMs = ms;
    if (ms <= this.#sharedWithinMs) return false;
    this.#sharedWithinMs = Math.ceil(ms / READ_STEP_MS) * READ_STEP_MS;
    this.#timeWait.length = 0;
    return true;
  }

  cell(table: DiagTable, row: Row, namespace: ListedNamespace): Uint8Array {
    const state = table.state(row);
    // The cell shows whole seconds: sockets that end within the same tenth of one share it.
    if (state === TcpState.TIME_WAIT) {
      const tenth = tenthOf(table, row);
      this.#timeWait[tenth] ??= this.#make(table, row, namespace, this.#sharedWithinMs + TENTH_MS);
      return this.#timeWait[tenth];
    }
    if (isUntimed(table, row)) {
      this.#untimed[state] ??= this.#make(table, row, namespace);
      return this.#untimed[state];
    }
    return this.#make(table, row, namespace);
  }

  #make(table: DiagTable, row: Row, namespace: ListedNamespace, withinMs = this.#readWithinMs): Uint8Array {
    const forecast = forecastListed(table, row, namespace, this.#timerHz(), withinMs);
    const text = clearsText(forecast);
    let bytes = this.#byText.get(text);
    if (bytes === undefined) {
      bytes = Buffer.from(text);
      this.#byText.set(text, bytes);
    }
    return bytes;
  }
}
