import type { RemedyAdvice } from '../../finding.ts';
import { ladderOf } from '../../plan/ladder.ts';
import { unsentBytes } from '../../plan/losses.ts';
import { masked } from '../../printable.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { stateName, TcpState } from '../../tcp/states.ts';
import type { Holder } from './holder.ts';
import { counted, listed } from './words.ts';

/** Every command that findings recommend is made here, so that it can be changed in one place. */

const PLAIN_WORD = /^[\w@.:,=/+-]+$/;

/** For pasting into a shell. Unit names come from the host and may hold anything. */
function quoted(argument: string): string {
  return PLAIN_WORD.test(argument) ? argument : `'${masked(argument).replaceAll("'", "'\\''")}'`;
}

export function commandLine(args: readonly string[]): string {
  return args.map(quoted).join(' ');
}

/** Runs where the socket lives, when it is pasted where lastack runs. */
export function inNamespace({ enterPath }: NamespaceSnapshot, args: readonly string[]): string {
  return commandLine(enterPath === undefined ? args : ['nsenter', `--net=${enterPath}`, ...args]);
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

export function capture(namespace: NamespaceSnapshot, address: string, port: number): RemedyAdvice {
  return look(
    'watch whether the retransmissions leave this host, and on the peer whether they arrive',
    inNamespace(namespace, ['tcpdump', '-ni', 'any', 'host', address, 'and', 'tcp', 'port', String(port)]),
  );
}

/** What the packet filter of a visible namespace does with packets that conntrack does not know. */
export function firewallRules(namespace: NamespaceSnapshot, where: string): RemedyAdvice {
  return look(`read the firewall rules of ${where}`, inNamespace(namespace, ['nft', 'list', 'ruleset']));
}

/** Restart the holder. Undefined when no process holds the sockets. */
export function restartHolder(holder: Holder): RemedyAdvice | undefined {
  if (holder.owners.length === 0) return undefined;
  const cost = 'every connection and all unsaved state of the program';
  if (holder.unit?.endsWith('.service')) {
    const command = commandLine(['systemctl', 'restart', holder.unit]);
    return { id: 'restart', what: `restart ${masked(holder.unit)}`, command, cost };
  }
  const processes = listed([...new Set(holder.owners.map(({ command, pid }) => `${masked(command)} (pid ${pid})`))], 3);
  return { id: 'restart', what: `restart ${processes}`, cost };
}

/** `FIN_WAIT1` → `fin-wait-1`, as ss writes it. */
export function ssState(state: number): string {
  return stateName(state)
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/wait(\d)/, 'wait-$1');
}

/** What `lastack clear` has to be given for one connection, or for the stuck ones of a group and no others. */
export function clearFilter(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): string[] {
  const { table, label, enterPath } = namespace;
  const [row] = rows;
  if (rows.length === 1) return [`cookie:${table.cookie(row).toString(16)}`];
  const pids = [...new Set(holder.owners.map(({ pid }) => pid))];
  return [
    'state',
    ssState(table.state(row)),
    ...(enterPath === undefined ? [] : ['netns', label]),
    ...(pids.length === 1 ? ['pid', String(pids[0])] : []),
    'stuck',
    // Open connections are left alone unless they are asked for, or named singly.
    ...(table.state(row) === TcpState.ESTABLISHED ? ['--established'] : []),
  ];
}

/** By the queues, and by the first rung of the ladder in this state; a harsher one may follow where that fails. */
function dropCost({ table }: NamespaceSnapshot, rows: readonly Row[]): string {
  const [row] = rows;
  const state = table.state(row);
  const unsent = rows.reduce((sum, one) => sum + unsentBytes({ state, sendQueueBytes: table.sendQueue(one) }), 0);
  const bytes = `${counted(unsent, 'byte')} not acknowledged may be lost`;
  if (ladderOf({ state, kind: table.kind(row) })[0] === 'close-gracefully') {
    return unsent === 0
      ? 'no data waits to be sent; the peer sees a FIN, or a reset where a FIN is not possible or does not end it'
      : `${bytes} and the peer may get a reset where a FIN is not possible or does not end it`;
  }
  return `${unsent === 0 ? 'no data waits to be sent' : bytes}; the peer may get a reset`;
}

/** End the connections. The plan comes first: it says for each socket what the peer sees and what is lost. */
export function dropSocket(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): RemedyAdvice {
  const which = rows.length === 1 ? 'it' : 'them';
  const held = holder.owners.length > 0 ? '; the program keeps its descriptor until it closes it' : '';
  return {
    id: 'drop',
    what: `end ${which} by the gentlest means that works; this shows the plan, without --dry-run it is carried out`,
    command: commandLine(['lastack', 'clear', ...clearFilter(namespace, rows, holder), '--dry-run']),
    cost: `${dropCost(namespace, rows)}${held}`,
  };
}

/** A setting that truly governs the matter, by its short name: `tcp_max_orphans`. */
export function setSysctl(
  namespace: NamespaceSnapshot,
  name: string,
  value: number | string,
  what: string,
  cost: string,
): RemedyAdvice {
  const setting = { name, value: String(value) };
  return { id: 'sysctl', what, command: tuneCommand(namespace, setting), cost, setting };
}

/** Sets it where the finding is, from where lastack runs. */
export function tuneCommand(
  { label, enterPath }: Pick<NamespaceSnapshot, 'label' | 'enterPath'>,
  { name, value }: { name: string; value: string },
): string {
  const where = enterPath === undefined ? [] : ['--netns', label];
  return commandLine(['lastack', 'tune', 'set', `${name}=${value}`, ...where]);
}

/** Leaves out what does not apply. */
export function remedyList(...remedies: readonly (RemedyAdvice | undefined)[]): RemedyAdvice[] {
  return remedies.filter((remedy) => remedy !== undefined);
}
