import { type Owner, type Row, stateName, TcpState } from '@lastack/core';
import { AF_INET6, DiagField, type DiagTable, formatAddress } from '@lastack/kernel';
import type { ByteWriter } from './byte_writer.ts';
import { printable } from './printable.ts';

/** What a list shows beside the kernel's own columns. Each cell is a short text, made once per distinct value. */
export interface SocketCells {
  clears(row: Row): Uint8Array;
  /** undefined: the OWNER column is left out (`--no-owners`). */
  owner?(row: Row): string;
  /** undefined: the NETNS column is left out (one namespace only). */
  namespace?: string;
}

/** Start columns. A longer value moves the rest of its line to the right; lines stay separable at spaces. */
export interface Layout {
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
const COLON = 58;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const STAR = 42;

const STATE_BYTES: readonly Uint8Array[] = Array.from({ length: 16 }, (_, state) =>
  Buffer.from(state === TcpState.BOUND_INACTIVE ? 'BOUND' : stateName(state)),
);

/** Columns for a table whose widest address and port takes `addressWidth` characters. */
export function layoutFor(addressWidth: number, withNamespace: boolean): Layout {
  const receiveQueue = (withNamespace ? NAMESPACE_WIDTH : 0) + STATE_WIDTH;
  const sendQueue = receiveQueue + QUEUE_WIDTH;
  const local = sendQueue + QUEUE_WIDTH;
  const remote = local + addressWidth + 1;
  const clears = remote + addressWidth + 1;
  return { receiveQueue, sendQueue, local, remote, clears, owner: clears + CLEARS_WIDTH };
}

export function writeHeader(writer: ByteWriter, layout: Layout, columns: { namespace: boolean; owner: boolean }): void {
  if (columns.namespace) {
    writer.text('NETNS');
    writer.column(NAMESPACE_WIDTH);
  }
  writer.text('STATE');
  writer.column(layout.receiveQueue);
  writer.text('RECV-Q');
  writer.column(layout.sendQueue);
  writer.text('SEND-Q');
  writer.column(layout.local);
  writer.text('LOCAL');
  writer.column(layout.remote);
  writer.text('REMOTE');
  writer.column(layout.clears);
  writer.text('CLEARS');
  if (columns.owner) {
    writer.column(layout.owner);
    writer.text('OWNER');
  }
  writer.endLine();
}

/** One line per row. */
export function writeRow(writer: ByteWriter, layout: Layout, table: DiagTable, row: Row, cells: SocketCells): void {
  if (cells.namespace !== undefined) {
    writer.text(cells.namespace);
    writer.column(NAMESPACE_WIDTH);
  }
  writer.bytes(STATE_BYTES[table.state(row) & 15]);
  writer.column(layout.receiveQueue);
  writer.number(table.receiveQueue(row));
  writer.column(layout.sendQueue);
  writer.number(table.sendQueue(row));
  writer.column(layout.local);
  const { bytes } = table;
  const at = table.offset(row);
  writeEndpoint(writer, bytes, at, DiagField.localAddress, DiagField.localPort);
  writer.column(layout.remote);
  writeEndpoint(writer, bytes, at, DiagField.remoteAddress, DiagField.remotePort);
  writer.column(layout.clears);
  writer.bytes(cells.clears(row));
  if (cells.owner) {
    writer.column(layout.owner);
    writer.text(cells.owner(row));
  }
  writer.endLine();
}

function writeEndpoint(writer: ByteWriter, bytes: Uint8Array, row: number, address: number, portField: number): void {
  if (bytes[row + DiagField.family] === AF_INET6) {
    writer.byte(OPEN_BRACKET);
    writer.text(formatAddress(bytes, row + address, 6));
    writer.byte(CLOSE_BRACKET);
  } else {
    writer.ipv4(bytes, row + address);
  }
  writer.byte(COLON);
  const port = (bytes[row + portField] << 8) | bytes[row + portField + 1];
  if (port === 0) writer.byte(STAR);
  else writer.number(port);
}

/** `nginx[812] fd 7`, several holders separated by commas; never a bare dash. */
export function ownerText(owners: readonly Owner[]): string {
  const most = 4;
  const shown = owners.slice(0, most).map((owner) => `${printable(owner.command)}[${owner.pid}] fd ${owner.fd}`);
  if (owners.length > most) shown.push(`and ${owners.length - most} more`);
  return shown.join(', ');
}
