import type { NamespaceSnapshot, Row, Settings, SocketTable } from '../../snapshot.ts';
import { type ListenerIndex, listenersOf } from './listeners.ts';
import { remoteServices } from './remote_services.ts';

/** What a connection is for, as its user would name it. `server`: this end offers the service. */
export interface Service {
  role: 'server' | 'client';
  /** Equal for connections to the same service. */
  key: string;
  /** `:8080` for a server, `10.0.0.9:443` for a client. */
  label: string;
  port: number;
  /** The service's address, for a client. */
  address?: string;
}

export interface PortRange {
  low: number;
  high: number;
}

/** The range that connect() picks local ports from; Linux' default where the setting could not be read. */
export function ephemeralRange(settings: Settings): PortRange {
  return {
    low: settings.ip_local_port_range_low ?? 32_768,
    high: settings.ip_local_port_range_high ?? 60_999,
  };
}

function isServer(table: SocketTable, { low, high }: PortRange, listeners: ListenerIndex, row: Row): boolean {
  const localPort = table.localPort(row);
  const isLocalEphemeral = localPort >= low && localPort <= high;
  if (listeners.has(localPort)) {
    // Outside the ephemeral range the port alone tells; inside it a client may share the number with a listener.
    if (!isLocalEphemeral || listenersOf(table, listeners, row).length > 0) return true;
  }
  const remotePort = table.remotePort(row);
  return !isLocalEphemeral && remotePort >= low && remotePort <= high;
}

/** The services of many rows: `services` by number, and the number of each of the rows in their order. */
export interface RowServices {
  numbers: Int32Array;
  services: readonly Service[];
}

/**
 * What each of the rows is for. Who listens tells server from client; where nobody listens any more, the end outside the
 * ephemeral range offers the service. Clients of many services are joined.
 */
export function servicesOf(namespace: NamespaceSnapshot, listeners: ListenerIndex, rows: readonly Row[]): RowServices {
  const { table } = namespace;
  const range = ephemeralRange(namespace.settings);
  const numbers = new Int32Array(rows.length);
  const services: Service[] = [];
  const servers = new Map<number, number>();
  /** Those that use a service: which of the rows. */
  const clients: number[] = [];
  for (let index = 0; index < rows.length; index++) {
    if (!isServer(table, range, listeners, rows[index])) {
      clients.push(index);
      continue;
    }
    const port = table.localPort(rows[index]);
    let number = servers.get(port);
    if (number === undefined) {
      number = services.push({ role: 'server', key: `:${port}`, label: `:${port}`, port }) - 1;
      servers.set(port, number);
    }
    numbers[index] = number;
  }
  const remotes = table.byRemote(clients.map((index) => rows[index]));
  const joined = remoteServices(table, remotes.firsts);
  const serverCount = services.length;
  for (let at = 0; at < clients.length; at++) {
    numbers[clients[at]] = serverCount + joined.numbers[remotes.numbers[at]];
  }
  return { numbers, services: [...services, ...joined.services] };
}
