import { ephemeralRange } from '../rules/shared/service.ts';
import type { Settings } from '../snapshot.ts';
import { UNPRIVILEGED_FROM } from './predict.ts';

export interface PortFacts {
  /** The kernel gives such ports to outgoing connections (net.ipv4.ip_local_port_range). */
  isEphemeral: boolean;
  ephemeralFrom: number;
  ephemeralTo: number;
  /** Exempted from that (net.ipv4.ip_local_reserved_ports); undefined where the list could not be read. */
  isReserved: boolean | undefined;
  /** Only with CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start). */
  isPrivileged: boolean;
  unprivilegedFrom: number;
  /** The list of reserved ports as it would read with this one added. */
  reservedWithPort: string | undefined;
}

interface Range {
  from: number;
  to: number;
}

export function portFacts(port: number, settings: Settings, reserved: readonly Range[] | undefined): PortFacts {
  const { low, high } = ephemeralRange(settings);
  const unprivilegedFrom = settings.ip_unprivileged_port_start ?? UNPRIVILEGED_FROM;
  return {
    isEphemeral: port >= low && port <= high,
    ephemeralFrom: low,
    ephemeralTo: high,
    isReserved: reserved?.some(({ from, to }) => port >= from && port <= to),
    isPrivileged: port < unprivilegedFrom,
    unprivilegedFrom,
    reservedWithPort: reserved && [...reserved.map(rangeText), String(port)].join(','),
  };
}

function rangeText({ from, to }: Range): string {
  return from === to ? String(from) : `${from}-${to}`;
}
