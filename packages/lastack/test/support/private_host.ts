import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { COMMAND, type Outcome, outcomeOf, start } from './command.ts';

const OWN_ETC = path.join(import.meta.dirname, '../../../kernel/test/own_etc.sh');

/**
 * Process, mount and network namespaces of their own, which lastack takes for a host: the settings are not this
 * machine's, and the files of /etc/sysctl.d neither.
 */
export class PrivateHost {
  readonly home: string;
  readonly #root: string;
  readonly #child: ChildProcess;
  readonly #pid: string;

  constructor(root: string, child: ChildProcess, pid: string) {
    this.home = path.join(root, 'state');
    this.#root = root;
    this.#child = child;
    this.#pid = pid;
  }

  /** A program inside, in front of which other programs may stand. */
  run(argv: readonly string[]): Promise<Outcome> {
    return outcomeOf(this.start(argv));
  }

  start(argv: readonly string[]): ChildProcess {
    const env = { ...process.env, XDG_STATE_HOME: this.home };
    return start('nsenter', ['--target', this.#pid, '--pid', '--mount', '--net', '--', ...argv], { env });
  }

  lastack(...args: string[]): Promise<Outcome> {
    return this.run([process.execPath, COMMAND, ...args]);
  }

  async value(name: string): Promise<string> {
    const { out } = await this.run(['cat', `/proc/sys/net/ipv4/${name}`]);
    return out.trim().replaceAll('\t', ' ');
  }

  /** A file as it is seen inside; undefined where there is none. */
  read(file: string): string | undefined {
    const seen = `/proc/${this.#pid}/root${file}`;
    return existsSync(seen) ? readFileSync(seen, 'utf8') : undefined;
  }

  write(file: string, text: string): void {
    writeFileSync(`/proc/${this.#pid}/root${file}`, text);
  }

  async end(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
    rmSync(this.#root, { recursive: true });
  }
}

/** @param files below the root, which the host begins with */
export async function startPrivateHost(files: Readonly<Record<string, string>> = {}): Promise<PrivateHost> {
  const root = mkdtempSync(path.join(tmpdir(), 'lastack-host-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  const unshare = ['--fork', '--kill-child', '--pid', '--mount', '--net'];
  const child = spawn('unshare', [...unshare, 'sh', OWN_ETC, root, 'sh', '-c', 'echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes('ready')) break;
  }
  const pid = /^\d+$/m.exec(said)?.[0];
  if (!said.includes('ready') || pid === undefined) throw new Error(`no host of its own could be made: ${said}`);
  return new PrivateHost(root, child, pid);
}
