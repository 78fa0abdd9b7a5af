import { plainAddress } from '../../address.ts';
import type { NamespaceSnapshot, Row, SocketTable } from '../../snapshot.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';

/** TIME_WAIT lasts 60 s and restarts on segments from the peer: what is missing from 60 s is the time since then. */
const TIME_WAIT_MS = 60_000;

/** What other sockets of the same table tell about one remote address. */
export interface OtherSockets {
  /** Shortest time since another connection certainly heard from the address; undefined when none tells. */
  heardMs?: number;
  /** Where `heardMs` was read. */
  source?: string;
  /** Open connections to it that are not retransmitting; they may be idle, so they prove nothing. */
  quietOpen: number;
}

/** Two last bytes of an address: enough to skip almost every row without building its text. */
function tail(bytes: Uint8Array): number {
  return (bytes[bytes.length - 2] << 8) | bytes[bytes.length - 1];
}

function note(others: OtherSockets, heardMs: number, source: string): void {
  if (others.heardMs !== undefined && others.heardMs <= heardMs) return;
  others.heardMs = heardMs;
  others.source = source;
}

/** Repeating what it sent. A retransmission timer that has not fired yet only means that data is in flight. */
function isRetransmitting(table: SocketTable, row: Row): boolean {
  return table.timer(row) === TimerCode.RETRANSMIT && table.timerRetries(row) > 0;
}

function readOpen(table: SocketTable, row: Row, others: OtherSockets): void {
  if (isRetransmitting(table, row)) return;
  others.quietOpen++;
  const info = table.info(row);
  if (!info) return;
  note(others, Math.min(info.lastAckReceivedMs, info.lastDataReceivedMs), 'TCP_INFO of another connection');
}

/** The addresses that rows lead to, with a cheap test that skips nearly all rows of other addresses. */
class Wanted {
  readonly #tails = new Uint8Array(65_536);
  readonly #table: SocketTable;
  readonly #has: (address: string) => boolean;

  constructor(table: SocketTable, rows: Iterable<Row>, has: (address: string) => boolean) {
    this.#table = table;
    this.#has = has;
    for (const row of rows) this.#tails[tail(table.remoteAddressBytes(row))] = 1;
  }

  /** The remote address of `row` (plain: see plainAddress), if it is one of them. */
  match(row: Row): string | undefined {
    if (this.#tails[tail(this.#table.remoteAddressBytes(row))] === 0) return undefined;
    const address = plainAddress(this.#table.remoteAddress(row));
    return this.#has(address) ? address : undefined;
  }
}

/** Enough of them that one which is in use is among them, few enough to stay cheap. */
const WITNESSES_PER_ADDRESS = 16;

/** Open connections to the addresses of stalled rows, to be asked when they last heard from there. */
export function witnessesFor({ table }: NamespaceSnapshot, stalled: readonly Row[]): readonly Row[] {
  const counts = new Map(stalled.map((row) => [plainAddress(table.remoteAddress(row)), 0]));
  const wanted = new Wanted(table, stalled, (address) => counts.has(address));
  const found: Row[] = [];
  for (let row = 0; row < table.count; row++) {
    if (table.state(row) !== TcpState.ESTABLISHED || isRetransmitting(table, row)) continue;
    const address = wanted.match(row);
    const count = address === undefined ? WITNESSES_PER_ADDRESS : (counts.get(address) ?? 0);
    if (address === undefined || count >= WITNESSES_PER_ADDRESS) continue;
    counts.set(address, count + 1);
    found.push(row);
  }
  return found;
}

/** One pass over the table for all the (plain) addresses that stalled rows lead to. `stalled` rows do not vouch for themselves. */
export function othersTo(
  { table }: NamespaceSnapshot,
  addresses: ReadonlyMap<string, Row>,
): ReadonlyMap<string, OtherSockets> {
  const found = new Map<string, OtherSockets>();
  const wanted = new Wanted(table, addresses.values(), (address) => addresses.has(address));
  for (let row = 0; row < table.count; row++) {
    const state = table.state(row);
    if (state !== TcpState.ESTABLISHED && state !== TcpState.TIME_WAIT) continue;
    const address = wanted.match(row);
    if (address === undefined) continue;
    let others = found.get(address);
    if (!others) {
      others = { quietOpen: 0 };
      found.set(address, others);
    }
    if (state === TcpState.ESTABLISHED) readOpen(table, row, others);
    else note(others, TIME_WAIT_MS - table.timerExpiresMs(row), 'sock_diag: a TIME_WAIT that began or was refreshed');
  }
  return found;
}
