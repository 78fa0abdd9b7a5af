import { endpointText, plainAddress } from '../../address.ts';
import type { NamespaceSnapshot, Row, Settings, SocketTable } from '../../snapshot.ts';
import { type ListenerIndex, listenersOf } from './listeners.ts';

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

/** The range that connect() picks local ports from; Linux' default where the setting could not be read. */
export function ephemeralRange(settings: Settings): { low: number; high: number } {
  return {
    low: settings.ip_local_port_range_low ?? 32_768,
    high: settings.ip_local_port_range_high ?? 60_999,
  };
}

function isServer(namespace: NamespaceSnapshot, listeners: ListenerIndex, row: Row): boolean {
  const { table } = namespace;
  const { low, high } = ephemeralRange(namespace.settings);
  const localPort = table.localPort(row);
  const isLocalEphemeral = localPort >= low && localPort <= high;
  if (listeners.has(localPort)) {
    // Outside the ephemeral range the port alone tells; inside it a client may share the number with a listener.
    if (!isLocalEphemeral || listenersOf(table, listeners, row).length > 0) return true;
  }
  const remotePort = table.remotePort(row);
  return !isLocalEphemeral && remotePort >= low && remotePort <= high;
}

/**
 * A classifier for many rows of one namespace. Who listens tells server from client; where nobody listens any more,
 * the end outside the ephemeral range offers the service. Services are shared objects: compare them by `key`.
 */
export function servicesOf(namespace: NamespaceSnapshot, listeners: ListenerIndex): (row: Row) => Service {
  const { table } = namespace;
  const servers = new Map<number, Service>();
  const clients = new Map<number | string, Service>();
  return (row) => {
    if (isServer(namespace, listeners, row)) {
      const port = table.localPort(row);
      let service = servers.get(port);
      if (!service) {
        service = { role: 'server', key: `:${port}`, label: `:${port}`, port };
        servers.set(port, service);
      }
      return service;
    }
    const key = remoteKey(table, row);
    let service = clients.get(key);
    if (!service) {
      service = new RemoteService(table, row);
      clients.set(key, service);
    }
    return service;
  };
}

/** Remote address and port: a number for IPv4, also v4-mapped, for there may be ten thousands to tell apart. */
function remoteKey(table: SocketTable, row: Row): number | string {
  const port = table.remotePort(row);
  const bytes = table.remoteAddressBytes(row);
  const at = bytes.length - 4;
  const isIpv4 = at === 0 || plainAddress(table.remoteAddress(row)) !== table.remoteAddress(row);
  if (!isIpv4) return endpointText(table.remoteAddress(row), port);
  return (((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0) * 65_536 + port;
}

/** The service that the other end of a connection offers. Few of many are ever named. */
class RemoteService implements Service {
  readonly role = 'client';
  readonly port: number;
  readonly #table: SocketTable;
  readonly #row: Row;

  constructor(table: SocketTable, row: Row) {
    this.port = table.remotePort(row);
    this.#table = table;
    this.#row = row;
  }

  get address(): string {
    return plainAddress(this.#table.remoteAddress(this.#row));
  }
  get key(): string {
    return endpointText(this.address, this.port);
  }
  get label(): string {
    return this.key;
  }
}
