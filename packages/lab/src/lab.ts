import { type Actor, startActor } from './actor-process.ts';
import { LabError } from './error.ts';

/** Writes of /proc/sys/net by path below it (`ipv4/tcp_retries2`). */
export type LabSettings = Readonly<Record<string, string | number>>;

export interface LabOptions {
  /** Path of the built actor program. */
  actorFile: string;
  /** Written in every namespace of the lab before any socket is made. */
  settings?: LabSettings;
}

/** A set of actors that live and end together. */
export class Lab {
  readonly settings: LabSettings;
  readonly #actorFile: string;
  readonly #actors: Actor[] = [];
  /** Every start that was ever asked for, finished or not: closing has to wait for those under way. */
  readonly #starts: Promise<Actor>[] = [];
  #closed = false;

  constructor({ actorFile, settings = {} }: LabOptions) {
    this.#actorFile = actorFile;
    this.settings = settings;
  }

  get actors(): readonly Actor[] {
    return this.#actors;
  }

  /** An actor in a namespace of its own, with these addresses up on its loopback only. */
  async namespace(name: string): Promise<Actor> {
    const actor = await this.#start(name);
    await ip(actor, ['link set lo up']);
    await actor.call('setSysctl', { values: this.settings });
    return actor;
  }

  /** Another process in the same namespace. */
  companion(name: string, of: Actor): Promise<Actor> {
    return this.#start(name, of);
  }

  /** Ends every actor. The namespaces vanish with them. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starts);
    await Promise.all(this.#actors.map((actor) => actor.end()));
  }

  #start(name: string, namespaceOf?: Actor): Promise<Actor> {
    const start = this.#startUnlessClosed(name, namespaceOf);
    this.#starts.push(start);
    return start;
  }

  async #startUnlessClosed(name: string, namespaceOf: Actor | undefined): Promise<Actor> {
    const refuse = () => new LabError('the lab was closed while it was being built');
    if (this.#closed) throw refuse();
    const actor = await startActor({ actorFile: this.#actorFile, name, ...(namespaceOf ? { namespaceOf } : {}) });
    this.#actors.push(actor);
    if (!this.#closed) return actor;
    await actor.end();
    throw refuse();
  }
}

/** Runs iproute2 commands in the actor's namespace, in one process, stopping at the first that fails. */
export async function ip(actor: Actor, commands: readonly string[], family?: 4 | 6): Promise<void> {
  const flags = family ? [`-${family}`, '-batch', '-'] : ['-batch', '-'];
  const result = await actor.run('ip', flags, `${commands.join('\n')}\n`).catch((error: { code?: string }) => {
    if (error.code === 'ENOENT')
      throw new LabError('cannot build the lab: the program `ip` is missing; install iproute2');
    throw error;
  });
  if (result.code === 0) return;
  const reason = result.stderr.trim().split('\n')[0] ?? '';
  throw new LabError(`cannot build the lab: ip failed in ${actor.name}: ${reason} (${commands.join('; ')})`);
}
