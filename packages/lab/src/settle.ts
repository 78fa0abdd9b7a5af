import { setTimeout as sleep } from 'node:timers/promises';
import type { Actor } from './actor-process.ts';
import { LabError } from './error.ts';
import type { ProcSocket } from './protocol.ts';

const LOOK_EVERY_MS = 50;
/** Far beyond what any state needs; a machine busy with other things may be slow. */
const LIMIT_MS = 60_000;

/** Waits until the sockets of the actor's namespace are as wanted, by /proc/net/tcp. */
export async function settled(
  actor: Actor,
  family: 4 | 6,
  wanted: string,
  isSo: (sockets: ProcSocket[]) => boolean,
): Promise<ProcSocket[]> {
  const until = Date.now() + LIMIT_MS;
  for (;;) {
    const sockets = await actor.call('sockets', { family });
    if (isSo(sockets)) return sockets;
    if (Date.now() > until) throw new LabError(`${actor.name} did not reach: ${wanted} (${summary(sockets)})`);
    await sleep(LOOK_EVERY_MS);
  }
}

function summary(sockets: ProcSocket[]): string {
  const shown = sockets.slice(0, 6).map((s) => `state ${s.state} timer ${s.timer} retransmits ${s.retransmits}`);
  return `${sockets.length} sockets: ${shown.join('; ')}`;
}
