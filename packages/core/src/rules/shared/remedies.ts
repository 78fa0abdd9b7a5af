import { endpointText, plainAddress } from '../../address.ts';
import type { RemedyAdvice } from '../../finding.ts';
import { CLEAR_MAX } from '../../plan/guards.ts';
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
function clearFilter(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): string[] {
  const { table, label, seenWithOthers } = namespace;
  const [row] = rows;
  if (rows.length === 1) return [`cookie:${table.cookie(row).toString(16)}`];
  return [
    'state',
    ssState(table.state(row)),
    // Naming one looks at all of them again. What is stuck differs where other ends are out of sight.
    ...(seenWithOthers ? ['netns', label] : []),
    ...serviceWords(namespace, rows),
    ...holderWords(namespace, rows, holder),
    ...unreadWords(namespace, rows),
    'stuck',
    // Open connections are left alone unless they are asked for, or named singly.
    ...(table.state(row) === TcpState.ESTABLISHED ? ['--established'] : []),
  ];
}

/** The address and port, or the port, that all of the connections share, as findings group them. */
function serviceWords({ table }: NamespaceSnapshot, rows: readonly Row[]): string[] {
  const [row] = rows;
  const [local, remote] = [table.localPort(row), table.remotePort(row)];
  const isToOne = rows.every((other) => table.remotePort(other) === remote);
  if (isToOne) {
    const bytes = table.remoteAddressBytes(row);
    const isToOneHost = rows.every((other) => isSameHost(bytes, table.remoteAddressBytes(other)));
    const address = plainAddress(table.remoteAddress(row));
    return isToOneHost ? ['dst', endpointText(address, remote)] : ['dport', '=', `:${remote}`];
  }
  return rows.every((other) => table.localPort(other) === local) ? ['sport', '=', `:${local}`] : [];
}

/** Also where one is IPv4 and the other the same v4-mapped. No text is made: there may be fifty thousand to compare. */
function isSameHost(one: Uint8Array, other: Uint8Array): boolean {
  const length = Math.min(one.length, other.length);
  for (let back = 1; back <= length; back++) if (one[one.length - back] !== other[other.length - back]) return false;
  return one.length === other.length || isMapped(one.length > length ? one : other);
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.every((byte, index) => index >= 12 || byte === (index < 10 ? 0 : 255));
}

/** In CLOSE_WAIT what is left to be read tells the rules apart: nothing, the end of file alone, or data before it. */
function unreadWords({ table }: NamespaceSnapshot, rows: readonly Row[]): string[] {
  if (table.state(rows[0]) !== TcpState.CLOSE_WAIT) return [];
  const unread = table.receiveQueue(rows[0]);
  if (unread > 1) return rows.every((row) => table.receiveQueue(row) > 1) ? ['recvq', 'gt', '1'] : [];
  return rows.every((row) => table.receiveQueue(row) === unread) ? ['recvq', '=', String(unread)] : [];
}

/** So many processes can be named before a command is too long to be read. */
const NAMED_PIDS = 4;

function holderWords({ table }: NamespaceSnapshot, rows: readonly Row[], { owners }: Holder): string[] {
  if (owners.length === 0) return rows.every((row) => table.kind(row) === 'orphan') ? ['orphan'] : [];
  const pids = [...new Set(owners.map(({ pid }) => pid))];
  if (pids.length > NAMED_PIDS) return [];
  const named = pids.flatMap((pid, index) => [...(index > 0 ? ['or'] : []), 'pid', String(pid)]);
  return pids.length === 1 ? named : ['(', ...named, ')'];
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

/** Finds the same sockets stuck as the finding did: it has to see as much as was seen then, and no more. */
function clearCommand(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): string {
  const max = rows.length > CLEAR_MAX ? ['--max', String(rows.length)] : [];
  const args = ['lastack', 'clear', ...clearFilter(namespace, rows, holder), ...max, '--dry-run'];
  return namespace.seenWithOthers || rows.length === 1 ? commandLine(args) : inNamespace(namespace, args);
}

/** End the connections. The plan comes first: it says for each socket what the peer sees and what is lost. */
export function dropSocket(namespace: NamespaceSnapshot, rows: readonly Row[], holder: Holder): RemedyAdvice {
  const which = rows.length === 1 ? 'it' : 'them';
  const held = holder.owners.length > 0 ? '; the program keeps its descriptor until it closes it' : '';
  return {
    id: 'drop',
    what: `end ${which} by the gentlest means that works; this shows the plan, without --dry-run it is carried out`,
    command: clearCommand(namespace, rows, holder),
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
