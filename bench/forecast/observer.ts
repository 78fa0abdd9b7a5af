import {
  type Forecast,
  forecastInputOf,
  forecastNeedsInfo,
  forecastSocket,
  type Row,
  type Settings,
} from '@lastack/core';
import {
  DiagTable,
  dumpSockets,
  fetchInfo,
  type Libc,
  NetlinkProtocol,
  type NetlinkTransport,
  openNetlink,
  readSettings,
  readTimerHz,
} from '@lastack/kernel';
import type { Actor, AddressPair } from '@lastack/lab';
import { inNamespaceOf } from '../lib/blocking_netlink.ts';

const ALL_STATES = 0x3ffe;
const NO_OPTIONS: ReadonlyMap<bigint, never> = new Map<bigint, never>();

export interface Sighting {
  /** Unique for the life of the machine: the socket's cookie. */
  key: string;
  family: 4 | 6;
  /** struct inet_diag_sockid. */
  socketId: Uint8Array;
  /** Monotonic milliseconds from which the forecast counts. */
  atMs: number;
  forecast: Forecast;
}

/** Forecasts as the doctor makes them, but for the socket options: two passes over sock_diag, the namespace's settings. */
export class Observer {
  readonly #transport: NetlinkTransport;
  readonly #settings: Settings;
  readonly #timerHz: number | undefined;

  constructor(libc: Libc, actor: Actor) {
    this.#timerHz = readTimerHz(libc);
    const opened = inNamespaceOf(actor, libc, () => ({
      transport: openNetlink(libc, NetlinkProtocol.SOCK_DIAG),
      settings: readSettings({ procRoot: '/proc' }),
    }));
    this.#transport = opened.transport;
    this.#settings = opened.settings;
  }

  /** Those of the sockets that are there now, each with its forecast. */
  async look(pairs: readonly AddressPair[]): Promise<Sighting[]> {
    const wanted = new Set(pairs.map(({ local, remote }) => `${local.port} ${remote.port}`));
    const table = new DiagTable();
    const atMs = performance.now();
    await dumpSockets(this.#transport, { states: ALL_STATES }, (words, view, at, end) =>
      table.append(words, view, at, end),
    );
    table.retain((row) => wanted.has(`${table.localPort(row)} ${table.remotePort(row)}`));
    const rows = Array.from({ length: table.count }, (_, row) => row);
    const needy = rows.filter((row) => forecastNeedsInfo(table.state(row), table.kind(row), table.timer(row)));
    if (needy.length > 0) await fetchInfo(this.#transport, table, needy);
    const readWithinMs = performance.now() - atMs;
    return rows.map((row) => this.#sighting(table, row, atMs, readWithinMs));
  }

  #sighting(table: DiagTable, row: Row, atMs: number, readWithinMs: number): Sighting {
    const place = { table, settings: this.#settings, options: NO_OPTIONS, readWithinMs };
    return {
      key: String(table.cookie(row)),
      family: table.family(row),
      socketId: table.socketId(row),
      atMs,
      forecast: forecastSocket(forecastInputOf({ timerHz: this.#timerHz }, place, row)),
    };
  }

  close(): void {
    this.#transport.close();
  }
}
