import type { Row, SocketTable } from '../snapshot.ts';
import type { HostNode, PortNode } from './ast.ts';

type Test = (table: SocketTable, row: Row) => boolean;

const MAPPED_BYTES = 12;

/**
 * Compares address bytes as the kernel does (inet_diag_bc_run): an IPv4 prefix matches IPv4 sockets and IPv6 sockets
 * with a v4-mapped address; an IPv6 prefix, also a v4-mapped one, matches IPv6 sockets only.
 */
export function hostMatcher({ side, family, address, prefixBits, port }: HostNode): Test {
  const tests: Test[] = [];
  if (family !== undefined) tests.push((table, row) => table.family(row) === family);
  if (port !== undefined) {
    tests.push(
      side === 'local' ? (table, row) => table.localPort(row) === port : (table, row) => table.remotePort(row) === port,
    );
  }
  if (address !== undefined) tests.push(addressMatcher(side, address, prefixBits ?? address.length * 8));
  const [first, second, third] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (third === undefined) return (table, row) => first(table, row) && second(table, row);
  return (table, row) => first(table, row) && second(table, row) && third(table, row);
}

function addressMatcher(side: HostNode['side'], address: readonly number[], prefixBits: number): Test {
  const wanted = Uint8Array.from(address);
  const isIPv4 = wanted.length === 4;
  return (table, row) => {
    const bytes = side === 'local' ? table.localAddressBytes(row) : table.remoteAddressBytes(row);
    if (bytes.length === wanted.length) return prefixMatches(bytes, 0, wanted, prefixBits);
    return isIPv4 && isMapped(bytes) && prefixMatches(bytes, MAPPED_BYTES, wanted, prefixBits);
  };
}

function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false;
  return true;
}

function prefixMatches(bytes: Uint8Array, from: number, wanted: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (bytes[from + index] !== wanted[index]) return false;
  const rest = bits & 7;
  return rest === 0 || (bytes[from + whole] ^ wanted[whole]) >> (8 - rest) === 0;
}

export function portMatcher({ side, family, comparison, port }: PortNode): Test {
  const ordered = orderMatcher(side, comparison, port);
  return family === undefined ? ordered : (table, row) => table.family(row) === family && ordered(table, row);
}

function orderMatcher(side: PortNode['side'], comparison: PortNode['comparison'], port: number): Test {
  const read: (table: SocketTable, row: Row) => number =
    side === 'local' ? (table, row) => table.localPort(row) : (table, row) => table.remotePort(row);
  switch (comparison) {
    case '<':
      return (table, row) => read(table, row) < port;
    case '<=':
      return (table, row) => read(table, row) <= port;
    case '>':
      return (table, row) => read(table, row) > port;
    case '>=':
      return (table, row) => read(table, row) >= port;
  }
}
