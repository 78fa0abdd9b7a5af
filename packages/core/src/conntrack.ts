import { plainAddress } from './address.ts';

/** One direction of a tracked connection: who sends to whom. */
export interface ConntrackTuple {
  source: ConntrackEnd;
  destination: ConntrackEnd;
}

export interface ConntrackEnd {
  /** Textual, without brackets; never v4-mapped, since the packets are IPv4 then. */
  address: string;
  port: number;
}

/** One TCP entry of a namespace's connection tracking table (struct nf_conn, as ctnetlink reports it). */
export interface ConntrackEntry {
  family: 4 | 6;
  /** As the first packet was sent. */
  original: ConntrackTuple;
  /** As answers are expected; differs from the mirrored original where addresses are translated. */
  reply: ConntrackTuple;
  /** The firewall's own view (`ESTABLISHED`, `CLOSE_WAIT`, …): not the socket's. Absent for offloaded flows. */
  state?: string;
  /** Until it is dropped if no packet refreshes it; whole seconds. Absent for offloaded flows. */
  timeoutMs?: number;
  /**
   * Made from the entry's place in memory and its tuple: a later entry of the same tuple has another one, unless it was
   * put in the very same place. Absent on very old kernels.
   */
  id?: number;
  /** 0 when the entry is in the default zone, as nearly all are. */
  zone: number;
  mark?: number;
  /** IPS_* bits. */
  status: number;
}

/** The name under which a socket finds its entry, from either end of the connection: this end first. */
export function conntrackKey(local: ConntrackEnd, remote: ConntrackEnd): string {
  return `${plainAddress(local.address)} ${local.port} ${plainAddress(remote.address)} ${remote.port}`;
}

/**
 * Entries by the key of both ends: the opening end looks like the original direction, the answering end like the reply.
 * The same tuple may stand in several zones; the lowest zone is kept.
 */
export function indexConntrack(entries: Iterable<ConntrackEntry>): Map<string, ConntrackEntry> {
  const index = new Map<string, ConntrackEntry>();
  const put = (key: string, entry: ConntrackEntry) => {
    const known = index.get(key);
    if (known === undefined || entry.zone < known.zone) index.set(key, entry);
  };
  for (const entry of entries) {
    put(conntrackKey(entry.original.source, entry.original.destination), entry);
    put(conntrackKey(entry.reply.source, entry.reply.destination), entry);
  }
  return index;
}
