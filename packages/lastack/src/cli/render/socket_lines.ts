import { type Owner, type Row, stateName, TcpState } from '@lastack/core';
import { AF_INET6, DiagField, type DiagTable, formatAddress } from '@lastack/kernel';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import {
  LINE_LIMIT,
  type LineBuffer,
  putBytes,
  putColumn,
  putIpv4,
  putNumber,
  putText,
  putWords,
  wordsOf,
} from './byte_writer.ts';
import { printable } from './printable.ts';

/** Start columns. A longer value moves the rest of its line to the right; values stay separated by spaces. */
export interface Layout {
  state: number;
  receiveQueue: number;
  sendQueue: number;
  local: number;
  remote: number;
  clears: number;
  owner: number;
}

/** `netns-4026532315` and two spaces. */
const NAMESPACE_WIDTH = 18;
const STATE_WIDTH = 12;
const QUEUE_WIDTH = 8;
const CLEARS_WIDTH = 18;
/** IPv4 address and port, which most lists consist of. */
const ENDPOINT_WIDTH = 21;
const COLON = 58;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const STAR = 42;

const STATE_NAMES = Array.from({ length: 16 }, (_, state) =>
  state === TcpState.BOUND_INACTIVE ? 'BOUND' : stateName(state),
);
const STATE_BYTES: readonly Uint8Array[] = STATE_NAMES.map((name) => Buffer.from(name));
/** STATE, RECV-Q and SEND-Q of a socket whose queues are empty, as nearly all are. */
export function idleCells(state: number): string {
  return STATE_NAMES[state].padEnd(STATE_WIDTH) + '0'.padEnd(QUEUE_WIDTH).repeat(2);
}
const IDLE_CELLS: readonly Uint32Array[] = STATE_NAMES.map((_, state) => wordsOf(idleCells(state)));

export function layoutFor(withNamespace: boolean): Layout {
  const state = withNamespace ? NAMESPACE_WIDTH : 0;
  const receiveQueue = state + STATE_WIDTH;
  const sendQueue = receiveQueue + QUEUE_WIDTH;
  const local = sendQueue + QUEUE_WIDTH;
  const remote = local + ENDPOINT_WIDTH + 1;
  const clears = remote + ENDPOINT_WIDTH + 1;
  return { state, receiveQueue, sendQueue, local, remote, clears, owner: clears + CLEARS_WIDTH };
}

export function headerLine(layout: Layout, withOwner: boolean): string {
  const cells: [string, number][] = [
    ['NETNS', 0],
    ['STATE', layout.state],
    ['RECV-Q', layout.receiveQueue],
    ['SEND-Q', layout.sendQueue],
    ['LOCAL', layout.local],
    ['REMOTE', layout.remote],
    ['CLEARS', layout.clears],
    ['OWNER', layout.owner],
  ];
  return cells
    .slice(layout.state === 0 ? 1 : 0, withOwner ? cells.length : -1)
    .reduce((line, [name, column]) => line.padEnd(column) + name, '');
}

/**
 * Writes one socket up to its CLEARS cell and returns the position behind it. `namespace` is undefined where its column
 * is left out. No options object: it would be made anew for each of 300,000 lines.
 */
export function putSocket(
  lines: LineBuffer,
  layout: Layout,
  table: DiagTable,
  row: Row,
  clears: Uint8Array,
  namespace: string | undefined,
): number {
  const { bytes: target, view } = lines;
  const start = lines.at;
  const { bytes } = table;
  const source = table.offset(row);
  let at = start;
  if (namespace !== undefined) {
    at = putColumn(view, putText(target, at, namespace, start + LINE_LIMIT / 4), start + layout.state);
  }
  const state = table.state(row) & 15;
  const [received, sent] = [table.receiveQueue(row), table.sendQueue(row)];
  if (received === 0 && sent === 0 && at === start + layout.state) {
    at = putWords(view, at, IDLE_CELLS[state]);
  } else {
    at = putColumn(view, putBytes(target, at, STATE_BYTES[state]), start + layout.receiveQueue);
    at = putColumn(view, putNumber(view, at, received), start + layout.sendQueue);
    at = putColumn(view, putNumber(view, at, sent), start + layout.local);
  }
  if (bytes[source + DiagField.family] === AF_INET6) {
    at = putColumn(view, putIpv6Endpoint(lines, at, bytes, source, DiagField.localAddress), start + layout.remote);
    at = putIpv6Endpoint(lines, at, bytes, source, DiagField.remoteAddress);
  } else {
    at = putIpv4(view, at, bytes, source + DiagField.localAddress);
    at = putColumn(view, putPort(view, at, bytes, source + DiagField.localPort), start + layout.remote);
    at = putIpv4(view, at, bytes, source + DiagField.remoteAddress);
    at = putPort(view, at, bytes, source + DiagField.remotePort);
  }
  return putBytes(target, putColumn(view, at, start + layout.clears), clears);
}

function putPort(target: DataView, at: number, bytes: Uint8Array, from: number): number {
  target.setUint8(at, COLON);
  const port = (bytes[from] << 8) | bytes[from + 1];
  if (port !== 0) return putNumber(target, at + 1, port);
  target.setUint8(at + 1, STAR);
  return at + 2;
}

function putIpv6Endpoint(
  { bytes: target, view }: LineBuffer,
  at: number,
  bytes: Uint8Array,
  row: number,
  field: number,
): number {
  target[at] = OPEN_BRACKET;
  const end = putText(target, at + 1, formatAddress(bytes, row + field, 6), at + 64);
  target[end] = CLOSE_BRACKET;
  const port = field === DiagField.localAddress ? DiagField.localPort : DiagField.remotePort;
  return putPort(view, end + 1, bytes, row + port);
}

/** Who holds the socket, or why nobody does. */
export function ownerCell(table: DiagTable, row: Row, { owners }: ListedNamespace): string {
  const inode = table.inode(row);
  if (inode === 0) return table.kind(row);
  const holders = owners?.get(inode);
  return holders === undefined ? 'unknown' : ownerText(holders);
}

/** `nginx[812] fd 7`, several holders separated by commas; never a bare dash. */
export function ownerText(owners: readonly Owner[]): string {
  const most = 4;
  const shown = owners.slice(0, most).map((owner) => `${printable(owner.command)}[${owner.pid}] fd ${owner.fd}`);
  if (owners.length > most) shown.push(`and ${owners.length - most} more`);
  return shown.join(', ');
}
