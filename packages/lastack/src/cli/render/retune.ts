import {
  type ClearTarget,
  endpointText,
  optionChanges,
  type RetuneRefusal,
  type RetuneStep,
  type SocketOptions,
  stateName,
} from '@lastack/core';
import type { RetuneResult } from '../../engine/retune/apply.ts';
import type { Guarded } from '../../report/outcome_json.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { clearsWhen, counted } from './report_words.ts';
import { ownerText } from './socket_lines.ts';

/** A plan longer than this shows its beginning, and the rest as a count. */
const MOST_BLOCKS = 40;
/** Sockets that are named of those to which the same happens. */
const NAMED = 3;

/** The preview: what changes on which sockets, what cannot be changed and why, and what the change does not do. */
export function renderRetunePlan(
  steps: readonly RetuneStep[],
  refusals: readonly RetuneRefusal[],
  guarded: readonly Guarded[],
  options: PageOptions,
): string {
  const page = new Page(options);
  const open = steps.filter(({ keys }) => keys.length > 0);
  const blocks = [...groupBy(open, sameChange).values()];
  const lines = blocks.slice(0, MOST_BLOCKS).flatMap((block) => blockLines(page, block));
  if (blocks.length > MOST_BLOCKS) {
    const rest = blocks.slice(MOST_BLOCKS).reduce((sum, block) => sum + block.length, 0);
    lines.push(...page.prose(`… and ${counted(rest, 'more socket')}`));
  }
  for (const [limit, count] of countBy(open.flatMap(({ limits }) => limits))) {
    lines.push(...page.prose(`${counted(count, 'socket')}: ${limit}`, '  ', 'note, '));
  }
  lines.push(...refusalLines(page, refusals), ...guardedLines(page, guarded));
  if (steps.length > 0) lines.push(...page.prose(summaryText(steps, open.length)));
  return text(lines);
}

function summaryText(steps: readonly RetuneStep[], open: number): string {
  const so = steps.length - open;
  const already =
    so === 0 ? '' : `${open === 0 ? '' : '; '}${counted(so, 'socket')} ${so === 1 ? 'is' : 'are'} so already`;
  return `plan: ${open === 0 ? '' : `${counted(open, 'socket')} to be changed`}${already}`;
}

/** The same options and the same forecasts, as a reader sees them. */
function sameChange(step: RetuneStep): string {
  return changeRows(step)
    .map(({ fact, value }) => `${fact} ${value}`)
    .join('\n');
}

function blockLines(page: Page, block: readonly RetuneStep[]): string[] {
  const heads = block.slice(0, NAMED).map(({ target }) => placeText(target));
  const rest = block.length - heads.length;
  const rows = changeRows(block[0]);
  const width = Math.max(...rows.map(({ fact }) => fact.length));
  return [
    ...heads.flatMap((head) => page.prose(head, '    ', '')),
    ...(rest > 0 ? page.prose(`and ${counted(rest, 'more socket')}`) : []),
    ...rows.flatMap(({ fact, value }) => page.prose(value, ' '.repeat(width + 4), `  ${fact.padEnd(width)}  `)),
  ];
}

function changeRows({ before, after, forecast }: RetuneStep): { fact: string; value: string }[] {
  const [without, changed] = [clearsWhen(forecast.before), clearsWhen(forecast.after)];
  const same = `${changed} (as before)`;
  return [
    ...changesText(before, after),
    { fact: 'forecast', value: without === changed ? same : `${without} → ${changed}` },
  ];
}

function changesText(before: SocketOptions, after: SocketOptions): { fact: string; value: string }[] {
  return optionChanges(before, after).map((change) => ({
    fact: change.name,
    value: `${change.before} → ${change.after}`,
  }));
}

function placeText(target: ClearTarget): string {
  const { local, remote, owners, namespaceLabel } = target;
  const here = endpointText(local.address, local.port);
  const place = remote.port === 0 ? here : `${here} → ${endpointText(remote.address, remote.port)}`;
  const held = owners.length === 0 ? '' : `  ${ownerText(owners)}`;
  const where = namespaceLabel === 'host' ? '' : `  (${namespaceLabel})`;
  return `${place}  ${stateName(target.state)}${held}${where}`;
}

type Reason = Pick<RetuneRefusal, 'because' | 'todo'>;

function reasonText({ because, todo }: Reason): string {
  return [because, todo].filter(Boolean).join('; ');
}

function refusalLines(page: Page, refusals: readonly RetuneRefusal[]): string[] {
  return [...groupBy(refusals, (one) => `${one.outcome}: ${reasonText(one)}`)].flatMap(([reason, group]) =>
    page.prose(`${namedSockets(group)}: ${reason}`, '  ', 'cannot be retuned, '),
  );
}

function guardedLines(page: Page, guarded: readonly Guarded[]): string[] {
  return [...groupBy(guarded, ({ because }) => because)].flatMap(([because, group]) =>
    page.prose(`${namedSockets(group)}: ${because}`, '  ', 'left alone, '),
  );
}

function namedSockets(group: readonly { target: ClearTarget }[]): string {
  const named = group.slice(0, NAMED).map(({ target: { local, remote, state } }) => {
    const here = endpointText(local.address, local.port);
    return `${remote.port === 0 ? here : `${here} → ${endpointText(remote.address, remote.port)}`} ${stateName(state)}`;
  });
  const rest = group.length - named.length;
  return `${counted(group.length, 'socket')} (${named.join(', ')}${rest > 0 ? `, and ${rest} more` : ''})`;
}

/** What was done: what was not and why, the counts, and the way back. */
export function renderRetuned(
  results: readonly RetuneResult[],
  others: { refusals: readonly RetuneRefusal[]; guarded: readonly Guarded[]; notTried: number },
  entries: readonly number[],
  options: PageOptions,
): string {
  const page = new Page(options);
  const failed = results
    .filter(({ outcome }) => outcome !== 'changed' && outcome !== 'already-so')
    .map(({ step, outcome, because, todo }) => ({ target: step.target, outcome, because, todo }));
  const lines = [...refusalLines(page, [...failed, ...others.refusals] as RetuneRefusal[])];
  lines.push(...guardedLines(page, others.guarded));
  const counts = countBy(
    [...results, ...others.refusals]
      .map(({ outcome }) => outcome)
      .concat(others.guarded.map(() => 'guarded') as never[]),
  );
  const summary = [...counts].map(([outcome, count]) => `${count} ${outcome}`);
  if (others.notTried > 0) summary.push(`${others.notTried} not-tried`);
  lines.push(...page.prose(summary.join(', ') || 'nothing to do'));
  if (entries.length > 0) {
    const commands = entries.map((entry) => `lastack undo ${entry}`);
    lines.push(...page.prose(`to take it back: ${commands.join('; ')}`, '  ', ''));
  }
  return text(lines);
}

/** One line for each socket that a followed process opened and that was retuned, or could not be. */
export function renderFollowed(
  results: readonly RetuneResult[],
  refusals: readonly RetuneRefusal[],
  page: Page,
): string {
  const changed = results.flatMap(({ step, outcome, after, because, todo }) => {
    if (outcome === 'already-so') return [];
    const what = after === undefined ? reasonText({ because, todo }) : changeTexts(step.before, after);
    return page.prose(`${outcome}: ${placeText(step.target)}: ${what}`, '  ', '');
  });
  const left = refusals.flatMap((one) =>
    page.prose(`${one.outcome}: ${placeText(one.target)}: ${reasonText(one)}`, '  ', ''),
  );
  return text([...changed, ...left]);
}

function changeTexts(before: SocketOptions, after: SocketOptions): string {
  return changesText(before, after)
    .map(({ fact, value }) => `${fact} ${value}`)
    .join(', ');
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

function countBy(values: readonly string[]): Map<string, number> {
  return new Map([...groupBy(values, (value) => value)].map(([value, group]) => [value, group.length]));
}
