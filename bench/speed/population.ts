import { readFileSync } from 'node:fs';
import { type Actor, type BulkPlan, buildBulk, type Lab } from '@lastack/lab';

/** 40,000 descriptors, and a little over 350,000 sockets in all. */
export const PLAN: BulkPlan = { timeWait: 315_000, halfClosed: 20_000, actors: 4 };

const FIRST_PORT = 2_000;
const LAST_PORT = 61_999;
const PORTS = LAST_PORT - FIRST_PORT + 1;
const REFILL_PORT = 1_082;
/** The lab's own sockets use 127.1.x and 127.2.x. */
const FIRST_NET = 3;
const REFILL_ATTEMPTS = 3;

/** A namespace full of sockets. TIME_WAIT lives a minute only, so what has gone is made anew. */
export class Population {
  readonly observeIn: Actor;
  readonly #actors: readonly Actor[];
  #net = FIRST_NET;

  private constructor(observeIn: Actor, actors: readonly Actor[]) {
    this.observeIn = observeIn;
    this.#actors = actors;
  }

  static async build(lab: Lab): Promise<Population> {
    const { observeIn } = await buildBulk(lab, PLAN);
    return new Population(observeIn, lab.actors);
  }

  /** Sockets in the namespace by the kernel's own count. */
  count(): number {
    const { inuse, tw } = this.#sockstat();
    return inuse + tw;
  }

  #sockstat(): { inuse: number; tw: number } {
    const text = readFileSync(`/proc/${this.observeIn.pid}/net/sockstat`, 'latin1');
    const [, inuse, tw] = /^TCP: inuse (\d+) .*\btw (\d+)/m.exec(text) ?? [];
    return { inuse: Number(inuse), tw: Number(tw) };
  }

  /** Makes as many new TIME_WAIT sockets as are missing. Others die meanwhile, so once is not always enough. */
  async refill(): Promise<void> {
    for (let attempt = 0; attempt < REFILL_ATTEMPTS; attempt++) {
      const missing = PLAN.timeWait - this.#sockstat().tw;
      if (missing <= 0) return;
      await this.#addTimeWait(missing);
    }
  }

  async #addTimeWait(total: number): Promise<void> {
    const net = this.#net++;
    const each = Math.ceil(total / this.#actors.length);
    await Promise.all(
      this.#actors.map((actor, index) =>
        actor.call('bulkTimeWait', {
          to: { address: `127.${net}.${index}.200`, port: REFILL_PORT },
          count: each,
          sources: Array.from({ length: Math.ceil(each / PORTS) }, (_, at) => `127.${net}.${index}.${at + 1}`),
          firstPort: FIRST_PORT,
          lastPort: LAST_PORT,
        }),
      ),
    );
  }
}
