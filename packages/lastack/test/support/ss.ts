import type { Actor } from '@lastack/lab';

/** One line of `ss -tanpeioOH`: what another program says of a socket. */
export interface SsLine {
  /** As lastack writes it: `FIN_WAIT2`. */
  state: string;
  receiveQueue: number;
  sendQueue: number;
  /** `10.0.0.1:80`, `[fd77::1]:80` */
  local: string;
  remote: string;
  timer?: SsTimer;
  backoff: number;
  inode: number;
  cookie: string;
  holders: { command: string; pid: number; fd: number }[];
}

export interface SsTimer {
  kind: string;
  expiresMs: number;
  retries: number;
}

/** Everything that `ss`, run inside the namespace, says; by both ends as one string. */
export async function ss(actor: Actor): Promise<Map<string, SsLine>> {
  const { code, stdout, stderr } = await actor.run('ss', ['-tanpeioOH']);
  if (code !== 0) throw new Error(`ss failed: ${stderr}`);
  const lines = stdout.split('\n').filter((text) => text !== '');
  return new Map(lines.map(parseLine).map((line) => [`${line.local} ${line.remote}`, line]));
}

function parseLine(text: string): SsLine {
  const [state = '', receiveQueue, sendQueue, local = '', remote = ''] = text.split(/\s+/);
  return {
    state: STATE_NAMES[state] ?? state.replaceAll('-', '_'),
    receiveQueue: Number(receiveQueue),
    sendQueue: Number(sendQueue),
    local,
    remote,
    timer: parseTimer(text),
    backoff: Number(/ backoff:(\d+)/.exec(text)?.[1] ?? 0),
    inode: Number(/ ino:(\d+)/.exec(text)?.[1] ?? 0),
    cookie: / sk:([0-9a-f]+)/.exec(text)?.[1] ?? '',
    holders: [...text.matchAll(/\("([^"]+)",pid=(\d+),fd=(\d+)\)/g)].map(([, command, pid, fd]) => ({
      command,
      pid: Number(pid),
      fd: Number(fd),
    })),
  };
}

const STATE_NAMES: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED',
  'FIN-WAIT-1': 'FIN_WAIT1',
  'FIN-WAIT-2': 'FIN_WAIT2',
};

const TIMER_NAMES: Readonly<Record<string, string>> = {
  on: 'retransmit',
  keepalive: 'keepalive',
  timewait: 'time-wait',
  persist: 'zero-window-probe',
};

function parseTimer(text: string): SsTimer | undefined {
  const [, name, expires, retries] = /timer:\((\w+),([^,]*),(\d+)\)/.exec(text) ?? [];
  if (name === undefined) return undefined;
  return { kind: TIMER_NAMES[name] ?? name, expiresMs: parseMs(expires), retries: Number(retries) };
}

/** `1min5sec`, `12sec`, `1.234ms` (which is 1234 ms), `200ms`. */
function parseMs(text: string): number {
  const [, minutes = 0, seconds = 0, milliseconds = 0] =
    /^(?:(\d+)min)?(?:(\d+)(?:sec|\.))?(?:(\d+)ms)?$/.exec(text) ?? [];
  return Number(minutes) * 60_000 + Number(seconds) * 1_000 + Number(milliseconds);
}
