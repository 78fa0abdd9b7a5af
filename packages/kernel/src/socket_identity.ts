import type { EndpointAddress } from '@lastack/core';
import { AF_INET, AF_INET6, DIAG_MESSAGE_BYTES, DiagField } from './wire/inet_diag.ts';
import { LITTLE_ENDIAN } from './wire/netlink.ts';
import { DiagTable } from './wire/socket_table.ts';

/** What tells one socket from every other of its namespace, as plain data. A ClearTarget is one. */
export interface SocketIdentity {
  family: 4 | 6;
  /** TcpState number when it was seen; not part of the identity. */
  state: number;
  local: EndpointAddress;
  remote: EndpointAddress;
  cookie: bigint;
  /** 0 unless the socket is bound to an interface. */
  interfaceIndex: number;
}

/** Identities as the rows that a dump would have given, so that everything works on rows. @throws RangeError */
export function identityTable(identities: readonly SocketIdentity[]): DiagTable {
  const table = new DiagTable(identities.length);
  const words = new Uint32Array(DIAG_MESSAGE_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  const view = new DataView(words.buffer);
  for (const { family, state, local, remote, cookie, interfaceIndex } of identities) {
    words.fill(0);
    bytes[DiagField.family] = family === 4 ? AF_INET : AF_INET6;
    bytes[DiagField.state] = state;
    view.setUint16(DiagField.localPort, local.port);
    view.setUint16(DiagField.remotePort, remote.port);
    writeAddress(bytes, DiagField.localAddress, local.address, family);
    writeAddress(bytes, DiagField.remoteAddress, remote.address, family);
    view.setUint32(DiagField.interfaceIndex, interfaceIndex, LITTLE_ENDIAN);
    view.setUint32(DiagField.cookie, Number(cookie & 0xffff_ffffn), LITTLE_ENDIAN);
    view.setUint32(DiagField.cookie + 4, Number((cookie >> 32n) & 0xffff_ffffn), LITTLE_ENDIAN);
    table.append(words, view, 0, DIAG_MESSAGE_BYTES);
  }
  return table;
}

/** The reverse of formatAddress, for the forms that it gives. */
function writeAddress(bytes: Uint8Array, at: number, text: string, family: 4 | 6): void {
  if (family === 4) writeIpv4(bytes, at, text);
  else writeIpv6(bytes, at, text);
}

function writeIpv4(bytes: Uint8Array, at: number, text: string): void {
  const parts = text.split('.');
  if (parts.length !== 4) throw new RangeError(`not an IPv4 address: ${JSON.stringify(text)}`);
  parts.forEach((part, index) => {
    const value = Number(part);
    // As it is written, without leading zeros, signs or blanks.
    if (!(value <= 255) || String(value) !== part) throw new RangeError(`not an IPv4 address: ${JSON.stringify(text)}`);
    bytes[at + index] = value;
  });
}

function writeIpv6(bytes: Uint8Array, at: number, text: string): void {
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped) writeIpv4(bytes, at + 12, mapped[2]);
  const groups = mapped ? `${mapped[1]}0:0` : text;
  const halves = groups.split('::');
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const length = head.length + (tail?.length ?? 0);
  const wellFormed = [...head, ...(tail ?? [])].every((group) => /^[0-9a-f]{1,4}$/i.test(group));
  if (!wellFormed || halves.length > 2 || (tail ? length > 7 : length !== 8)) {
    throw new RangeError(`not an IPv6 address: ${JSON.stringify(text)}`);
  }
  const put = (group: string, index: number) => {
    // The last two of a mapped address are there already.
    if (mapped && index > 5) return;
    const value = Number.parseInt(group, 16);
    bytes[at + index * 2] = value >> 8;
    bytes[at + index * 2 + 1] = value & 0xff;
  };
  head.forEach(put);
  tail?.forEach((group, index) => {
    put(group, 8 - tail.length + index);
  });
}
