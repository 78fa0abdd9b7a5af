import {
  formatDuration,
  type Owner,
  type ProcessActivity,
  type SocketTable,
  stateName,
  TcpState,
  TimerCode,
} from '@lastack/core';
import type { Observation } from '../../engine/observation.ts';
import type { WhyEnd } from '../../engine/why.ts';
import { infoFacts, optionFacts, pathText } from '../../engine/why_facts.ts';
import { forecastLines } from './report_finding.ts';
import type { Page } from './report_layout.ts';
import { ageText, connectionText, counted, ownerText, thousands } from './report_words.ts';

/** One end of a connection: who holds it and what that program does, timers, queues, facts, forecast with its working. */
export function endLines(page: Page, end: WhyEnd, observation: Observation, withNamespace: boolean): string[] {
  const { namespace, row } = end.ref;
  const { table } = namespace;
  const options = namespace.options.get(table.cookie(row));
  const path = namespace.paths.get(table.remoteAddress(row));
  const owners = observation.owners.get(table.inode(row)) ?? [];
  return [
    ...page.paragraph('Socket', socketText(table, row)),
    ...(withNamespace ? page.paragraph('Where', `network namespace ${namespace.label}`) : []),
    ...page.labelled('Held by', heldByLines(page, table, row, owners)),
    ...page.labelled('Doing', activityLines(page, owners, observation.activity)),
    ...page.paragraph('Age', ageOf(end)),
    ...page.paragraph('Timer', timerText(table, row)),
    ...page.paragraph('Queues', queueText(table, row)),
    ...page.paragraph('Path', path && !isSingle(table, row) ? pathText(path) : undefined),
    ...page.labelled('TCP', page.facts(infoFacts(table, row))),
    ...page.labelled('Options', options === undefined ? [] : page.facts(optionFacts(options))),
    ...page.labelled('Clears', forecastLines(page, end.forecast)),
    ...page.labelled('Working', workingLines(page, end.forecast.steps ?? [])),
  ];
}

function isSingle(table: SocketTable, row: number): boolean {
  const state = table.state(row);
  return state === TcpState.LISTEN || state === TcpState.CLOSE || state === TcpState.BOUND_INACTIVE;
}

function ageOf({ ref: { namespace, row }, age }: WhyEnd): string | undefined {
  if (isSingle(namespace.table, row)) return undefined;
  return (age && ageText(age)) ?? 'cannot be told: the kernel keeps no clock that runs from the change of state';
}

function socketText(table: SocketTable, row: number): string {
  const inode = table.inode(row);
  const parts = [
    `${stateName(table.state(row))} ${connectionText(table, row)}`,
    `cookie:${table.cookie(row).toString(16)}`,
    inode === 0 ? '' : `inode ${inode}`,
    `uid ${table.uid(row)}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function heldByLines(page: Page, table: SocketTable, row: number, owners: readonly Owner[]): string[] {
  if (owners.length > 0) return owners.flatMap((owner) => page.body(`${ownerText(owner)}, fd ${owner.fd}`, '  '));
  return page.body(unheldText(table, row));
}

function unheldText(table: SocketTable, row: number): string {
  switch (table.kind(row)) {
    case 'orphan':
      return 'no process: the program has closed it and the kernel runs it down';
    case 'unaccepted':
      return 'no process yet: it waits in the accept queue of its listener';
    case 'minisocket':
      return 'no process: what the kernel keeps of it is a few bytes and the timer that ends it';
    case 'request':
      return 'no process yet: the handshake is not complete';
    default:
      return 'not seen: a process that cannot be looked into from here, or the kernel itself';
  }
}

const THREADS_SHOWN = 8;

function activityLines(page: Page, owners: readonly Owner[], activities: Observation['activity']): string[] {
  return owners.flatMap((owner) => {
    const activity = activities.get(owner.pid);
    return activity ? processLines(page, owner, activity, owners.length > 1) : [];
  });
}

function processLines(page: Page, { pid, fd }: Owner, activity: ProcessActivity, named: boolean): string[] {
  const { threads, epollFds, unreadable } = activity;
  const prefix = named ? `pid ${pid}: ` : '';
  // Threads that work on this very descriptor come first.
  const sorted = [...threads].sort((one, other) => Number(other.fds.includes(fd)) - Number(one.fds.includes(fd)));
  const lines = sorted.slice(0, THREADS_SHOWN).flatMap(({ tid, name, syscall, fds }) => {
    const call = syscall === undefined ? 'call not readable' : syscall === 'running' ? 'running' : `in ${syscall}`;
    const on = fds.includes(fd) ? ', on this descriptor' : '';
    return page.body(`${prefix}thread ${tid} (${name}) ${call}${on}`, '  ');
  });
  if (threads.length > THREADS_SHOWN) {
    lines.push(...page.body(`${prefix}and ${counted(threads.length - THREADS_SHOWN, 'more thread')}`));
  }
  if (unreadable !== undefined) return [...lines, ...page.body(`${prefix}not read in full: ${unreadable}`, '  ')];
  const watched = epollFds.has(fd) ? 'an epoll set watches this descriptor' : 'no epoll set watches this descriptor';
  return [...lines, ...page.body(`${prefix}${watched}`, '  ')];
}

function timerText(table: SocketTable, row: number): string {
  const due = table.timerExpiresMs(row);
  const when = due === 0 ? 'due now' : `fires in ${formatDuration(due)}`;
  const retries = table.timerRetries(row);
  switch (table.timer(row)) {
    case TimerCode.RETRANSMIT:
      return `retransmission, ${when}, ${counted(retries, 'timeout')} so far`;
    case TimerCode.ZERO_WINDOW_PROBE:
      return `zero-window probe, ${when}, ${counted(retries, 'probe')} without an answer`;
    case TimerCode.TIME_WAIT:
      return `end of the minisocket, ${when}`;
    case TimerCode.KEEPALIVE:
      return table.kind(row) === 'orphan'
        ? `end of the first phase of FIN_WAIT2, ${when}`
        : `keepalive, ${when}, ${counted(retries, 'probe')} without an answer`;
    default:
      return 'none runs';
  }
}

function queueText(table: SocketTable, row: number): string {
  const [receive, send] = [thousands(table.receiveQueue(row)), thousands(table.sendQueue(row))];
  if (table.state(row) === TcpState.LISTEN) return `${receive} of at most ${send} connections wait to be accepted`;
  return `Recv-Q ${receive}, Send-Q ${send}, in bytes; a SYN or FIN counts as one`;
}

function workingLines(page: Page, steps: readonly string[]): string[] {
  return steps.flatMap((step, index) => page.body(step, '   ', `${index + 1}. `));
}
