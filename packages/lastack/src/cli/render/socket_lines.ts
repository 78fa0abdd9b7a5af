import { type Owner, type Row, stateName, TcpState } from '@lastack/core';
import { AF_INET6, DiagField, type DiagTable, formatAddress } from '@lastack/kernel';
import { LINE_LIMIT, type LineBuffer, putBytes, putColumn, putIpv4, putNumber, putText } from './byte_writer.ts';
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

const NAMESPACE_WIDTH = 16;
const STATE_WIDTH = 12;
const QUEUE_WIDTH = 8;
const CLEARS_WIDTH = 18;
/** IPv4 address and port, which most lists consist of. */
const ENDPOINT_WIDTH = 21;
const COLON = 58;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const STAR = 42;

const STATE_BYTES: readonly Uint8Array[] = Array.from({ length: 16 }, (_, state) =>
  Buffer.from(state === TcpState.BOUND_INACTIVE ? 'BOUND' : stateName(state)),
);

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
 * One line per socket. `owner` and `namespace` are undefined where their columns are left out (`--no-owners`, one
 * namespace only). No options object: it would be made anew for each of 300,000 lines.
 */
export function writeSocketLine(
  lines: LineBuffer,
  layout: Layout,
  table: DiagTable,
  row: Row,
  clears: Uint8Array,
  owner: string | undefined,
  namespace: string | undefined,
): void {
  const target = lines.bytes;
  const start = lines.at;
  const { bytes } = table;
  const source = table.offset(row);
  let at = start;
  if (namespace !== undefined) {
    at = putColumn(target, putText(target, at, namespace, start + LINE_LIMIT / 4), start + layout.state);
  }
  at = putColumn(target, putBytes(target, at, STATE_BYTES[table.state(row) & 15]), start + layout.receiveQueue);
  at = putColumn(target, putNumber(target, at, table.receiveQueue(row)), start + layout.sendQueue);
  at = putColumn(target, putNumber(target, at, table.sendQueue(row)), start + layout.local);
  if (bytes[source + DiagField.family] === AF_INET6) {
    at = putColumn(target, putIpv6Endpoint(target, at, bytes, source, DiagField.localAddress), start + layout.remote);
    at = putIpv6Endpoint(target, at, bytes, source, DiagField.remoteAddress);
  } else {
    at = putIpv4(target, at, bytes, source + DiagField.localAddress);
    at = putColumn(target, putPort(target, at, bytes, source + DiagField.localPort), start + layout.remote);
    at = putIpv4(target, at, bytes, source + DiagField.remoteAddress);
    at = putPort(target, at, bytes, source + DiagField.remotePort);
  }
  at = putBytes(target, putColumn(target, at, start + layout.clears), clears);
  if (owner !== undefined) {
    at = putText(target, putColumn(target, at, start + layout.owner), owner, start + LINE_LIMIT - 1);
  }
  lines.endLine(at);
}

function putPort(target: Uint8Array, at: number, bytes: Uint8Array, from: number): number {
  target[at] = COLON;
  const port = (bytes[from] << 8) | bytes[from + 1];
  if (port !== 0) return putNumber(target, at + 1, port);
  target[at + 1] = STAR;
  return at + 2;
}

function putIpv6Endpoint(target: Buffer, at: number, bytes: Uint8Array, row: number, field: number): number {
  target[at] = OPEN_BRACKET;
  const end = putText(target, at + 1, formatAddress(bytes, row + field, 6), at + 64);
  target[end] = CLOSE_BRACKET;
  const port = field === DiagField.localAddress ? DiagField.localPort : DiagField.remotePort;
  return putPort(target, end + 1, bytes, row + port);
}

/** `nginx[812] fd 7`, several holders separated by commas; never a bare dash. */
export function ownerText(owners: readonly Owner[]): string {
  const most = 4;
  const shown = owners.slice(0, most).map((owner) => `${printable(owner.command)}[${owner.pid}] fd ${owner.fd}`);
  if (owners.length > most) shown.push(`and ${owners.length - most} more`);
  return shown.join(', ');
}
