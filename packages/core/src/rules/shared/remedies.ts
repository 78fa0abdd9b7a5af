import type { RemedyAdvice } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { stateName } from '../../tcp/states.ts';
import type { Holder } from './holder.ts';
import { clean, connection, endpoint, listed } from './words.ts';

/** Every command that findings recommend is made here, so that it can be changed in one place. */

const PLAIN_WORD = /^[\w@.:,=/+-]+$/;

/** For pasting into a shell. Unit names come from the host and may hold anything. */
function quoted(argument: string): string {
  return PLAIN_WORD.test(argument) ? argument : `'${clean(argument).replaceAll("'", "'\\''")}'`;
}

function commandLine(args: readonly string[]): string {
  return args.map(quoted).join(' ');
}

/** Runs where the socket lives: through a process of that namespace where one is known. */
function inNamespace(namespace: NamespaceSnapshot, pid: number | undefined, args: readonly string[]): string {
  if (namespace.label === 'host' || pid === undefined) return commandLine(args);
  return commandLine(['nsenter', `--net=/proc/${pid}/ns/net`, ...args]);
}

function whereToRun(namespace: NamespaceSnapshot, pid: number | undefined): string {
  return namespace.label === 'host' || pid !== undefined ? '' : ` (inside network namespace ${clean(namespace.label)})`;
}

/** Nothing to do: the kernel ends it. First in the list wherever it is true. */
export function wait(what: string): RemedyAdvice {
  return { id: 'wait', what };
}

/** Change the program: no command does it, and only this keeps the fault from coming back. */
export function fixProgram(what: string): RemedyAdvice {
  return { id: 'fix-program', what };
}

/** Someone else must act. */
export function askPeer(what: string): RemedyAdvice {
  return { id: 'peer', what };
}

/** Find out more before anything is changed. */
export function look(what: string, command?: string): RemedyAdvice {
  return { id: 'look', what, command };
}

export function capture(address: string, port: number): RemedyAdvice {
  return look(
    'watch whether the retransmissions leave this host, and on the peer whether they arrive',
    commandLine(['tcpdump', '-ni', 'any', 'host', address, 'and', 'tcp', 'port', String(port)]),
  );
}

/** Restart the holder. Undefined when no process holds the sockets. */
export function restartHolder(holder: Holder): RemedyAdvice | undefined {
  if (holder.owners.length === 0) return undefined;
  const cost = 'every connection and all unsaved state of the program';
  if (holder.unit?.endsWith('.service')) {
    const command = commandLine(['systemctl', 'restart', holder.unit]);
    return { id: 'restart', what: `restart ${clean(holder.unit)}`, command, cost };
  }
  const processes = listed([...new Set(holder.owners.map(({ command, pid }) => `${clean(command)} (pid ${pid})`))], 3);
  return { id: 'restart', what: `restart ${processes}`, cost };
}

/** `FIN_WAIT1` → `fin-wait-1`, as ss writes it. */
export function ssState(state: number): string {
  return stateName(state)
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/wait(\d)/, 'wait-$1');
}

/** The filter of one connection and nothing else: state and all four parts of the address pair. */
export function exactFilter({ table }: NamespaceSnapshot, row: Row): string[] {
  const source = endpoint(table.localAddress(row), table.localPort(row));
  const destination = endpoint(table.remoteAddress(row), table.remotePort(row));
  return ['state', ssState(table.state(row)), 'src', source, 'dst', destination];
}

/** Make the kernel drop one connection. The first of the group stands for all: never a filter that hits others. */
export function dropSocket(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): RemedyAdvice {
  const [row] = rows;
  const pid = holder.owners[0]?.pid;
  const isOrphan = namespace.table.kind(row) === 'orphan';
  const which =
    rows.length === 1 ? connection(namespace.table, row) : `one of them, ${connection(namespace.table, row)}`;
  const lost = 'data not yet delivered is lost and the peer may get a reset';
  const held = holder.owners.length > 0 ? '; the program keeps its descriptor until it closes it' : '';
  const oldKernels = isOrphan
    ? '; kernels from 4.19 on without the fix of Linux 6.11 make an orphan immortal this way: look again afterwards'
    : '';
  return {
    id: 'drop',
    what: `have the kernel drop ${which}${whereToRun(namespace, pid)}; ss reports success even where nothing was dropped`,
    command: inNamespace(namespace, pid, ['ss', '-tnK', ...exactFilter(namespace, row)]),
    cost: `${lost}${held}${oldKernels}`,
  };
}

/** A setting that truly governs the matter; `name` in full, e.g. `net.ipv4.tcp_max_orphans`. */
export function setSysctl(
  namespace: NamespaceSnapshot,
  name: string,
  value: number | string,
  what: string,
  cost: string,
): RemedyAdvice {
  return {
    id: 'sysctl',
    what: `${what}${whereToRun(namespace, undefined)}`,
    command: commandLine(['sysctl', '-w', `${name}=${value}`]),
    cost,
  };
}

/** Leaves out what does not apply. */
export function remedyList(...remedies: readonly (RemedyAdvice | undefined)[]): RemedyAdvice[] {
  return remedies.filter((remedy) => remedy !== undefined);
}
