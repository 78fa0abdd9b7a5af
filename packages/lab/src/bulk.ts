import type { Actor } from './actor-process.ts';
import type { Lab } from './lab.ts';
import type { BulkRequest } from './protocol.ts';

export interface BulkPlan {
  /** TIME_WAIT sockets to leave behind. */
  timeWait: number;
  /** Half-closed connections to hold: each is one FIN_WAIT2 and one CLOSE_WAIT, with a descriptor each. */
  halfClosed: number;
  /** Processes that share the work; each holds 2 × halfClosed / actors descriptors. */
  actors: number;
}

export interface Bulk {
  /** The namespace with everything in it. */
  observeIn: Actor;
  timeWait: number;
  halfClosed: number;
  elapsedMs: number;
  /** Resident memory of the actors together, bytes. */
  residentBytes: number;
}

/** 300,000 sockets and 40,000 descriptors. */
export const LARGE: BulkPlan = { timeWait: 260_000, halfClosed: 20_000, actors: 4 };

const FIRST_PORT = 2_000;
const LAST_PORT = 61_999;
const PORTS = LAST_PORT - FIRST_PORT + 1;
const HALF_CLOSED_PORT = 1_080;
const TIME_WAIT_PORT = 1_081;

/** Sources 127.1.ACTOR.N, as many as are needed to give each connection an address pair of its own. */
function requestFor(actor: number, port: number, count: number): BulkRequest {
  const addresses = Math.ceil(count / PORTS);
  const net = port === HALF_CLOSED_PORT ? 1 : 2;
  return {
    to: { address: `127.${net}.${actor}.200`, port },
    count,
    sources: Array.from({ length: addresses }, (_, index) => `127.${net}.${actor}.${index + 1}`),
    firstPort: FIRST_PORT,
    lastPort: LAST_PORT,
  };
}

function share(total: number, parts: number, index: number): number {
  return Math.floor((total * (index + 1)) / parts) - Math.floor((total * index) / parts);
}

/** Fills one fresh namespace over its loopback. The held sockets come first: a TIME_WAIT lasts only a minute. */
export async function buildBulk(lab: Lab, plan: BulkPlan = LARGE): Promise<Bulk> {
  const startedMs = performance.now();
  const first = await lab.namespace('lab-bulk-0');
  const more = Array.from({ length: plan.actors - 1 }, (_, index) => lab.companion(`lab-bulk-${index + 1}`, first));
  const actors = [first, ...(await Promise.all(more))];
  await first.call('setSysctl', { values: { 'ipv4/tcp_max_tw_buckets': plan.timeWait + 100_000 } });
  const spread = (call: 'bulkTimeWait' | 'bulkHalfClosed', port: number, total: number) =>
    Promise.all(
      actors.map((actor, index) => actor.call(call, requestFor(index, port, share(total, actors.length, index)))),
    );
  const halfClosed = await spread('bulkHalfClosed', HALF_CLOSED_PORT, plan.halfClosed);
  const timeWait = await spread('bulkTimeWait', TIME_WAIT_PORT, plan.timeWait);
  const resident = await Promise.all(actors.map((actor) => actor.call('residentBytes', {})));
  return {
    observeIn: first,
    timeWait: sum(timeWait),
    halfClosed: sum(halfClosed),
    elapsedMs: performance.now() - startedMs,
    residentBytes: sum(resident),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
