import type { ConntrackEntry } from '@lastack/core';

/** `conntrack` of a socket in `lastack.sockets/1`. */
export interface ConntrackJson {
  /** The firewall's view, not the socket's state. Absent for offloaded flows, as is the time. */
  state?: string;
  timeoutMs?: number;
  id?: number;
  zone?: number;
  mark?: number;
}

export function conntrackJson({ state, timeoutMs, id, zone, mark }: ConntrackEntry): ConntrackJson {
  return { state, timeoutMs, id, zone: zone || undefined, mark: mark || undefined };
}
