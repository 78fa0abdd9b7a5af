import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Actor } from '@lastack/lab';

/** One packet as sniff.py saw it. */
export interface SniffedPacket {
  interface: string;
  outgoing: boolean;
  source: string;
  sport: number;
  dport: number;
  sequence: number;
  acknowledgment: number;
  bytes: number;
  /** Whether its checksums hold; packets that never left the host may carry none yet. */
  checksums: boolean;
  /** Of `FSRPAUEC`. */
  flags: string;
}

const SETTLE_MS = 150;

/** Watches the packets between two ports in the actor's namespace while `work` runs, and a moment longer. */
export async function sniffed<T>(
  actor: Actor,
  ports: readonly [number, number],
  work: () => Promise<T>,
): Promise<{ result: T; packets: SniffedPacket[] }> {
  const script = join(import.meta.dirname, 'sniff.py');
  const [program, ...args] = actor.enter(['python3', script, ...ports.map(String)]);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const packets: SniffedPacket[] = [];
  const lines = createInterface({ input: child.stdout });
  try {
    await once(lines, 'line');
    lines.on('line', (line) => packets.push(JSON.parse(line)));
    const result = await work();
    await sleep(SETTLE_MS);
    return { result, packets };
  } finally {
    child.stdin.end();
    await gone;
  }
}
