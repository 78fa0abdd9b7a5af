import {
  type Finding,
  type Forecast,
  type RemedyAdvice,
  type Severity,
  type SocketOwners,
  type SocketRef,
  stateName,
} from '@lastack/core';
import { dimBehindIndent, type Page } from './report_layout.ts';
import {
  ageText,
  blameText,
  clearsWhen,
  connectionText,
  counted,
  forecastText,
  ownerText,
  SEVERITY_WORDS,
  sentence,
  thousands,
} from './report_words.ts';
import type { Style } from './style.ts';

/** By socket inode; an absent entry says that the holder was not looked for or not seen. */
export type Owners = SocketOwners;

const EXAMPLES = 3;
const MARKS: Readonly<Record<Severity, string>> = { critical: '✖', warning: '▲', notice: '●' };

export function severityColour(severity: Severity, style: Style): Style['red'] {
  if (severity === 'critical') return style.red;
  return severity === 'warning' ? style.yellow : style.cyan;
}

export interface FindingOptions {
  owners: Owners;
  /** Name the network namespace of the finding. */
  withNamespace: boolean;
}

/** One finding as lines: title, cause, blame, age, evidence, forecast, examples, what to do. */
export function renderFinding(page: Page, finding: Finding, { owners, withNamespace }: FindingOptions): string[] {
  return [
    ...titleLines(page, finding),
    ...(withNamespace ? page.paragraph('Where', `network namespace ${finding.namespace.label}`) : []),
    ...page.paragraph('Why', finding.cause),
    ...page.paragraph('Blame', blameText(finding.blame)),
    ...page.paragraph('To tell', finding.wouldTell),
    ...page.paragraph('Age', groupAge(finding)),
    ...page.labelled('Evidence', page.facts(finding.evidence)),
    ...page.labelled('Clears', forecastLines(page, finding.forecast)),
    ...page.labelled('Sockets', exampleLines(page, finding, owners)),
    ...page.labelled('Do now', remedyLines(page, finding.remedies)),
    ...page.labelled('Rule', [page.style.dim(page.say(finding.rule))]),
  ];
}

function groupAge({ age, count }: Finding): string | undefined {
  const text = age && ageText(age);
  return text !== undefined && count > 1 ? `each ${text}` : text;
}

/** The time stands out where it fits the first line. */
export function forecastLines(page: Page, forecast: Forecast): string[] {
  const when = sentence(clearsWhen(forecast));
  const [first, ...others] = page.body(forecastText(forecast));
  const shown = first.startsWith(when) ? page.style.bold(when) + first.slice(when.length) : first;
  return [shown, ...others];
}

export function titleLines(page: Page, { severity, title }: Pick<Finding, 'severity' | 'title'>): string[] {
  const { style } = page;
  const mark = page.say(`${MARKS[severity]} ${SEVERITY_WORDS[severity]}`);
  const [first, ...others] = page.prose(title, '  ', `${mark}  `);
  const colour = severityColour(severity, style);
  return [
    `${colour(mark)}  ${style.bold(first.slice(mark.length + 2))}`,
    ...others.map((line) => `  ${style.bold(line.trimStart())}`),
  ];
}

function exampleLines(page: Page, { sockets, peers, count, namespace }: Finding, owners: Owners): string[] {
  const lines = sockets.slice(0, EXAMPLES).flatMap(({ namespace: { table }, row }, index) => {
    const peer = peers?.at(index);
    const other = peer ? ` (its other end: ${peerText(peer, owners, namespace.label)})` : '';
    return page.body(`${connectionText(table, row)} cookie:${table.cookie(row).toString(16)}${other}`, '  ');
  });
  const more = sockets.length - EXAMPLES;
  if (more > 0) lines.push(page.style.dim(page.say(`and ${counted(more, 'more', 'more')}`)));
  // Findings on counts name the number that counts, which need not be a number of sockets.
  else if (sockets.length > 0 && count > sockets.length) lines.push(page.say(`of ${thousands(count)}`));
  return lines;
}

/** `CLOSE_WAIT held by node (pid 7) in network namespace blue`; only what was seen of it. */
export function peerText({ namespace, row }: SocketRef, owners: Owners, here: string): string {
  const { table } = namespace;
  const holders = owners.get(table.inode(row)) ?? [];
  const kind = table.kind(row);
  const held =
    holders.length > 0
      ? ` held by ${holders.slice(0, 2).map(ownerText).join(' and ')}${holders.length > 2 ? ' and others' : ''}`
      : kind === 'orphan'
        ? ', held by no process'
        : kind === 'unaccepted'
          ? ', not accepted yet'
          : '';
  const where = namespace.label === here ? '' : ` in network namespace ${namespace.label}`;
  return `${stateName(table.state(row))}${held}${where}`;
}

/** Numbered; a command stands on a line of its own and is never broken. */
export function remedyLines(page: Page, remedies: readonly RemedyAdvice[]): string[] {
  const { cyan, dim } = page.style;
  return remedies.flatMap(({ what, command, cost }, index) => [
    ...page.body(what, '   ', `${index + 1}. `),
    ...(command === undefined ? [] : [`     ${cyan(page.say(command))}`]),
    ...(cost === undefined ? [] : page.body(`costs: ${cost}`, '   ', '   ').map((line) => dimBehindIndent(line, dim))),
  ]);
}
