import { readFileSync } from 'node:fs';
import type { Actor, Lab } from '@lastack/lab';

/** Of the two services. */
export const PORTS = [1_081, 1_082] as const;

const ADDRESS = { 4: '127.0.0.1', 6: '::1' } as const;
/** Each service has clients of its own: their ports are bound without SO_REUSEADDR. */
const FIRST_PORT = 2_000;
const PORTS_EACH = 30_000;

/** A namespace with so many TIME_WAIT sockets of each of the two services, in each of the families. */
export async function withTimeWait(lab: Lab, each: number, families: readonly (4 | 6)[] = [4]): Promise<Actor> {
  const first = await lab.namespace('time-wait-0');
  await first.call('setSysctl', { values: { 'ipv4/tcp_max_tw_buckets': 1_000_000 } });
  const other = await lab.companion('time-wait-1', first);
  for (const family of families) {
    const leave = (actor: Actor, port: number, firstPort: number) =>
      actor.call('bulkTimeWait', {
        to: { address: ADDRESS[family], port },
        count: each,
        sources: [ADDRESS[family]],
        firstPort,
        lastPort: firstPort + PORTS_EACH - 1,
      });
    await Promise.all([leave(first, PORTS[0], FIRST_PORT), leave(other, PORTS[1], FIRST_PORT + PORTS_EACH)]);
  }
  return first;
}

/** What ss lists in TIME_WAIT: both ends as one string. */
export function timeWait(actor: Actor): Promise<string[]> {
  return listed(actor, ['state', 'time-wait']);
}

/** What ss lists otherwise: the state, and both ends. */
export function others(actor: Actor): Promise<string[]> {
  return listed(actor, ['exclude', 'time-wait']);
}

async function listed(actor: Actor, filter: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await actor.run('ss', ['-tnaH', ...filter]);
  if (code !== 0) throw new Error(`ss failed: ${stderr}`);
  const lines = stdout.split('\n').filter((line) => line !== '');
  // Without the state, which ss leaves out where there is but one, the queues come first.
  return lines
    .map((line) =>
      line
        .trim()
        .split(/\s+/)
        .filter((word) => !/^\d+$/.test(word))
        .join(' '),
    )
    .sort();
}

/** Those that go to this service. */
export function towards(port: number, sockets: readonly string[]): string[] {
  return sockets.filter((socket) => socket.endsWith(`:${port}`));
}

/** How many TIME_WAIT sockets the kernel counts. */
export function counted({ pid }: Pick<Actor, 'pid'>): number {
  return Number(/\btw (\d+)/.exec(readFileSync(`/proc/${pid}/net/sockstat`, 'latin1'))?.[1]);
}
