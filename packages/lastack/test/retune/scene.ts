import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Lab, routed, type World } from '@lastack/lab';
import type { RetuneJson } from '../../src/report/retune_json.ts';
import { COMMAND, LAB_ACTOR, type Outcome, outcomeOf, start } from '../support/command.ts';
import { Waiter } from './waiter.ts';

export const PORT = 8080;

/** A client and a server behind a router that can lose everything, and a state directory of its own. */
export class Scene {
  readonly world: World;
  readonly folder: string;
  readonly #waiters: Waiter[] = [];
  readonly #listenFd: number;

  private constructor(world: World, folder: string, listenFd: number) {
    this.world = world;
    this.folder = folder;
    this.#listenFd = listenFd;
  }

  static async run(family: 4 | 6, body: (scene: Scene) => Promise<void>): Promise<void> {
    const lab = new Lab({ actorFile: LAB_ACTOR });
    const folder = mkdtempSync(path.join(tmpdir(), 'lastack-retune-'));
    try {
      const world = await routed(lab, family);
      const at = { address: world.serverAddress, port: PORT };
      const { fd } = await world.server.call('listen', { at, backlog: 64 });
      const scene = new Scene(world, folder, fd);
      try {
        await body(scene);
      } finally {
        await Promise.all(scene.#waiters.map((waiter) => waiter.end()));
      }
    } finally {
      await lab.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** A program with one connection to the server, which has accepted it. */
  async waiter(program: readonly string[], more: { args?: readonly string[]; prefix?: readonly string[] } = {}) {
    const { args = [], prefix } = more;
    const argv = [...program, this.world.serverAddress, String(PORT), ...args];
    const waiter = await Waiter.start(this.world.client, argv, prefix);
    this.#waiters.push(waiter);
    const { fd } = await this.world.server.call('accept', { fd: this.#listenFd, limitMs: 10_000 });
    return Object.assign(waiter, { serverFd: fd });
  }

  /** The command in the client's namespace, with a journal of its own: a filter there matches nothing else. */
  lastack(args: readonly string[], prefix: readonly string[] = []): Promise<Outcome> {
    const [file, ...argv] = this.world.client.enter([...prefix, process.execPath, COMMAND, ...args]);
    return outcomeOf(start(file, argv, { env: { ...process.env, XDG_STATE_HOME: this.folder } }));
  }

  async retune(args: readonly string[], prefix?: readonly string[]): Promise<Outcome & { document: RetuneJson }> {
    const outcome = await this.lastack(['retune', '--json', ...args], prefix);
    return { ...outcome, document: JSON.parse(outcome.out === '' ? '{}' : outcome.out) };
  }

  /** What ss, run in the client's namespace, says of the waiter's socket; '' when it lists none. */
  async ss({ port }: Waiter): Promise<string> {
    const { stdout } = await this.world.client.run('ss', ['-Htano', `sport = :${port}`]);
    return stdout.trim();
  }
}
