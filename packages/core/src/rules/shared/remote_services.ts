import { endpointText, plainAddress } from '../../address.ts';
import type { Row, SocketTable } from '../../snapshot.ts';
import type { RowServices, Service } from './service.ts';
import { CLIENT_SERVICES } from './thresholds.ts';
import { thousands } from './words.ts';

const PORTS = 65_536;

/**
 * The services that the other ends offer. A crawler speaks to ten thousand: they are joined by remote port, and when
 * those are many too, as one.
 * @param rows one of each remote address and port
 */
export function remoteServices(table: SocketTable, rows: readonly Row[]): RowServices {
  const addressesOf = new Uint32Array(PORTS);
  for (const row of rows) addressesOf[table.remotePort(row)]++;
  const isMany = (port: number) => rows.length > CLIENT_SERVICES && addressesOf[port] > CLIENT_SERVICES;
  const manyPorts = new Set<number>();
  let left = 0;
  for (const row of rows) {
    const port = table.remotePort(row);
    if (isMany(port)) manyPorts.add(port);
    else left++;
  }
  if (left + manyPorts.size > CLIENT_SERVICES)
    return { numbers: new Int32Array(rows.length), services: [allOf(table, rows)] };
  const services: Service[] = [];
  const joined = new Map<number, number>();
  const numbers = Int32Array.from(rows, (row) => {
    const port = table.remotePort(row);
    if (!isMany(port)) return services.push(remoteService(table, row)) - 1;
    const known = joined.get(port);
    if (known !== undefined) return known;
    const label = `port ${port} of ${thousands(addressesOf[port])} addresses`;
    const number = services.push({ role: 'client', key: `*:${port}`, label, port }) - 1;
    joined.set(port, number);
    return number;
  });
  return { numbers, services };
}

function remoteService(table: SocketTable, row: Row): Service {
  const address = plainAddress(table.remoteAddress(row));
  const port = table.remotePort(row);
  const key = endpointText(address, port);
  return { role: 'client', key, label: key, port, address };
}

function allOf(table: SocketTable, rows: readonly Row[]): Service {
  const label = `${thousands(rows.length)} remote services`;
  return { role: 'client', key: '*', label, port: table.remotePort(rows[0]) };
}
