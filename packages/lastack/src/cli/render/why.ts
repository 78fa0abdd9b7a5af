import {
  actorWords,
  type CloseView,
  closeTimeline,
  drawTimeline,
  meaningOf,
  type StateName,
  stateName,
  TcpState,
  TimerCode,
} from '@lastack/core';
import type { Why, WhyEnd, WhyFinding } from '../../engine/why.ts';
import type { Match } from '../../engine/why_matches.ts';
import { unseenLines } from './report.ts';
import { forecastLines, remedyLines, titleLines } from './report_finding.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { ageText, blameText, connectionText, counted, ownerText } from './report_words.ts';
import { endLines } from './why_end.ts';

/** What `lastack why` prints for one connection, line feed at the end included. */
export function renderWhy(why: Why, options: PageOptions): string {
  const page = new Page(options);
  const { here, peer, observation } = why;
  const several = observation.namespaces.length > 1;
  const lines = [
    ...headingLines(page, here),
    '',
    ...(why.findings.length === 0 ? healthyLines(page, here) : []),
    ...why.findings.flatMap((finding, index) => [...(index > 0 ? [''] : []), ...findingLines(page, finding, why)]),
    ...timelineLines(page, why),
    ...section(page, 'This end', endLines(page, here, observation, several)),
    ...(peer
      ? section(page, 'The other end', endLines(page, peer, observation, several))
      : section(page, 'The other end', notVisibleLines(page, here))),
    ...unseenLines(page, observation.notes, []),
  ];
  return `${lines.join('\n')}\n`;
}

/** States without another end. */
const SINGLE: ReadonlySet<number> = new Set([TcpState.LISTEN, TcpState.CLOSE, TcpState.BOUND_INACTIVE]);

function section(page: Page, title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', page.style.bold(title), ...lines];
}

function stateOf({ ref: { namespace, row } }: WhyEnd): StateName {
  return stateName(namespace.table.state(row)) as StateName;
}

function headingLines(page: Page, end: WhyEnd): string[] {
  const { table } = end.ref.namespace;
  return page.prose(`${stateOf(end)} ${connectionText(table, end.ref.row)}`, '  ', '').map(page.style.bold);
}

/** Age and forecast are those of the connection, not of the group that the finding stands for. */
function findingLines(page: Page, { finding, remedies }: WhyFinding, { here, peer }: Why): string[] {
  const named = ({ ref }: WhyEnd) =>
    finding.sockets.some((one) => one.row === ref.row && one.namespace === ref.namespace);
  const end = peer && !named(here) ? peer : here;
  const others = finding.sockets.length - 1;
  return [
    ...titleLines(page, finding),
    ...page.paragraph('Why', finding.cause),
    ...page.paragraph('Blame', blameText(finding.blame)),
    ...page.paragraph('To tell', finding.wouldTell),
    ...page.paragraph('Age', end.age && ageText(end.age)),
    ...page.labelled('Evidence', page.facts(finding.evidence)),
    ...page.labelled('Clears', forecastLines(page, end.forecast)),
    ...page.paragraph('Others', others > 0 ? `${counted(others, 'more socket')} with the same trouble` : undefined),
    ...page.labelled('Do now', remedyLines(page, remedies)),
    ...page.labelled('Rule', [page.style.dim(page.say(finding.rule))]),
  ];
}

/** No rule names it: what that means in this state, and what would end it. */
function healthyLines(page: Page, end: WhyEnd): string[] {
  const state = stateOf(end);
  const { ends, next } = meaningOf(state);
  const verdict = `✔ ${healthyVerdict(end)}`;
  return [
    ...page.prose(verdict, '  ', '').map(page.style.green),
    ...page.paragraph('Ends', ends),
    ...page.labelled(
      'Next',
      next.flatMap(({ actor, what }) => page.body(`${actorWords(actor)}: ${what}`, '  ')),
    ),
    ...page.labelled('Clears', forecastLines(page, end.forecast)),
  ];
}

/** As much as can be said when no rule finds fault: that nothing is wrong, or that it is not long enough to tell. */
function healthyVerdict(end: WhyEnd): string {
  const { namespace, row } = end.ref;
  const { table } = namespace;
  const state = table.state(row);
  if (SINGLE.has(state)) return 'Nothing is wrong with this socket.';
  const soFar = 'Nothing is stuck here so far: no rule finds fault with it.';
  if (table.kind(row) === 'unaccepted') return `${soFar} It waits for its program to accept it.`;
  if (state === TcpState.TIME_WAIT) return 'Nothing is wrong: TIME_WAIT is how a connection that closed well ends.';
  if (state !== TcpState.ESTABLISHED) return `${soFar} ${stateOf(end)} is a state that connections pass through.`;
  switch (table.timer(row)) {
    case TimerCode.RETRANSMIT:
      return `${soFar} Data is on its way and not acknowledged yet.`;
    case TimerCode.ZERO_WINDOW_PROBE:
      return `${soFar} The peer lets nothing in for the moment.`;
    default:
      return 'Nothing is wrong with this connection.';
  }
}

function timelineLines(page: Page, { here, peer }: Why): string[] {
  const { style, ascii, width } = page;
  const view = closeViewOf({ here, peer });
  const drawn = drawTimeline(view, {
    width,
    ascii,
    emphasize: (text) => style.bold(style.yellow(text)),
  });
  const missing = closeTimeline(view).find((step) => step.missing);
  const words = missing && `${missing.step}${missing.note === undefined ? '' : `: ${missing.note}`}`;
  return section(page, 'The close so far', [...drawn, ...page.paragraph('Missing', words)]);
}

/** The close as the states of both ends show it. */
export function closeViewOf({ here, peer }: Pick<Why, 'here' | 'peer'>): CloseView {
  const { namespace, row } = here.ref;
  const { table } = namespace;
  return {
    state: stateOf(here),
    kind: table.kind(row),
    peerState: peer && stateOf(peer),
    sendQueueBytes: table.sendQueue(row),
    receiveQueueBytes: table.receiveQueue(row),
    notSentBytes: table.info(row)?.notSentBytes,
    probing: table.timer(row) === TimerCode.ZERO_WINDOW_PROBE,
  };
}

function notVisibleLines(page: Page, { ref: { namespace, row } }: WhyEnd): string[] {
  if (SINGLE.has(namespace.table.state(row))) return [];
  const { table } = namespace;
  const filter = `sport = :${table.remotePort(row)} and dport = :${table.localPort(row)}`;
  return [
    ...page.prose(
      'Not among the sockets seen from here: it is on another host, behind an address translation, or gone. Where it should be, this shows it:',
      '  ',
    ),
    `     ${page.style.cyan(`ss -tnpe '${filter}'`)}`,
  ];
}

const LISTED = 20;

/** Several connections match: one line each, and how to name one. */
export function renderMatches(
  matches: readonly Match[],
  what: string,
  owners: Why['observation']['owners'],
  options: PageOptions,
): string {
  const page = new Page(options);
  const shown = matches.slice(0, LISTED);
  const several = new Set(matches.map(({ here }) => here.namespace)).size > 1;
  const rows = shown.map(({ here: { namespace, row } }) => {
    const { table } = namespace;
    const [owner] = owners.get(table.inode(row)) ?? [];
    const where = several ? `in ${namespace.label}` : '';
    const cells = [`cookie:${table.cookie(row).toString(16)}`, stateName(table.state(row)), connectionText(table, row)];
    return [...cells, owner ? ownerText(owner) : '', where].map((cell) => page.say(cell));
  });
  const more = matches.length - LISTED;
  const first = shown[0].here;
  return `${[
    ...page.prose(`${counted(matches.length, 'match', 'matches')} for ${what}:`, '  ', ''),
    ...columns(page, rows),
    ...(more > 0 ? page.prose(`and ${counted(more, 'more', 'more')}`, '  ') : []),
    ...page.prose('Name one of them, for example by its cookie:', '  ', ''),
    `     ${page.style.cyan(`lastack why cookie:${first.namespace.table.cookie(first.row).toString(16)}`)}`,
  ].join('\n')}\n`;
}

/** Cells below each other where the page is wide enough for every row; else each row as a paragraph. */
function columns(page: Page, rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const lines = rows.map((cells) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd(),
  );
  if (lines.every((line) => line.length <= page.width)) return lines;
  return rows.flatMap((cells) => page.prose(cells.join(' '), '      ', '  '));
}
