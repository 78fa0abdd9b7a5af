import {
  DiagTable,
  dumpSockets,
  encodeDumpRequest,
  LITTLE_ENDIAN,
  loadLibc,
  NetlinkProtocol,
  type NetlinkTransport,
  NlmsgType,
  openNetlink,
} from '@lastack/kernel';
import type { Actor } from '@lastack/lab';
import { BlockingNetlink, inNamespaceOf } from '../lib/blocking_netlink.ts';
import { summary, withRange } from '../lib/stats.ts';

const ALL_STATES = 0x3ffe;
const RECEIVE_BYTES = 1 << 16;

/** Nanoseconds per socket, each of one walk over all of them. */
export interface ReceiveTimes {
  bare: number[];
  dump: number[];
}

/** In this one process, in turn: replies received and thrown away, and the dump into a table. */
export async function receiveTimes(actor: Actor, rounds: number): Promise<ReceiveTimes> {
  const libc = loadLibc();
  const netlink = new BlockingNetlink(libc, actor);
  const transport = inNamespaceOf(actor, libc, () => openNetlink(libc, NetlinkProtocol.SOCK_DIAG));
  const times: ReceiveTimes = { bare: [], dump: [] };
  try {
    let rows = await dumpInto(transport, new DiagTable());
    for (let round = 0; round < rounds; round++) {
      const startedMs = performance.now();
      receiveOnly(netlink);
      const betweenMs = performance.now();
      rows = await dumpInto(transport, new DiagTable(rows));
      const endedMs = performance.now();
      times.bare.push(((betweenMs - startedMs) * 1e6) / rows);
      times.dump.push(((endedMs - betweenMs) * 1e6) / rows);
    }
  } finally {
    transport.close();
    netlink.close();
  }
  return times;
}

async function dumpInto(transport: NetlinkTransport, table: DiagTable): Promise<number> {
  const incomplete = await dumpSockets(transport, { states: ALL_STATES }, (words, view, at, end) =>
    table.append(words, view, at, end),
  );
  // Sockets die during the walk, so an interrupted walk is normal here.
  if (incomplete && !incomplete.includes('DUMP_INTR')) throw new Error(incomplete);
  return table.count;
}

/** The last message of a dump has a datagram of its own. */
function receiveOnly(netlink: BlockingNetlink): void {
  const buffer = new Uint8Array(RECEIVE_BYTES);
  const view = new DataView(buffer.buffer);
  netlink.send(encodeDumpRequest(1, ALL_STATES, 0));
  do netlink.receive(buffer);
  while (view.getUint16(4, LITTLE_ENDIAN) !== NlmsgType.DONE);
}

export const RECEIVE_HEAD = ['in one process', 'ns per socket', 'part of the bare loop'] as const;

export function receiveRows({ bare, dump }: ReceiveTimes): string[][] {
  const bareSummary = summary(bare);
  const dumpSummary = summary(dump);
  const show = (value: number) => value.toFixed(0);
  return [
    ['bare receive loop, nothing decoded', withRange(bareSummary, show), '1.00'],
    ['dump into the table', withRange(dumpSummary, show), (dumpSummary.median / bareSummary.median).toFixed(2)],
  ];
}
