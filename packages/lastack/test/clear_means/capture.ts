import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Actor, AddressPair } from '@lastack/lab';

export interface Packet {
  atMs: number;
  way: 'out' | 'in';
  sourcePort: number;
  destinationPort: number;
  /** Of `FSRPA`. */
  flags: string;
}

/** What goes over the wire in one namespace, by a packet socket. */
export class Capture {
  readonly #packets: Packet[] = [];
  readonly #end: () => Promise<void>;

  private constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  static async start(actor: Actor): Promise<Capture> {
    const [program = '', ...args] = actor.enter(['python3', path.join(import.meta.dirname, 'capture.py')]);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const gone = once(child, 'exit');
    const capture = new Capture(async () => {
      child.stdin.end();
      await gone;
    });
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => capture.#take(line));
    return capture;
  }

  #take(line: string): void {
    const [atMs, way, sourcePort, destinationPort, flags = ''] = line.split(' ');
    this.#packets.push({
      atMs: Number(atMs),
      way: way as Packet['way'],
      sourcePort: Number(sourcePort),
      destinationPort: Number(destinationPort),
      flags,
    });
  }

  /** Packets sent by this end of the connection. */
  sentBy({ local, remote }: AddressPair): Packet[] {
    return this.#packets.filter(
      ({ way, sourcePort, destinationPort }) =>
        way === 'out' && sourcePort === local.port && destinationPort === remote.port,
    );
  }

  end(): Promise<void> {
    return this.#end();
  }
}
