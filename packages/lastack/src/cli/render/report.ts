import { type Note, stateName } from '@lastack/core';
import type { Capability } from '@lastack/kernel';
import { type Diagnosis, isComplete, socketsSeen } from '../../report/report_json.ts';
import { renderFinding } from './report_finding.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { counted, durationUp, thousands } from './report_words.ts';

export type ReportOptions = PageOptions;

/** What the doctor prints, line feed at the end included. The findings are expected in the order to show them in. */
export function renderReport(diagnosis: Diagnosis, options: ReportOptions): string {
  const page = new Page(options);
  const { observation, findings, capabilities } = diagnosis;
  const several = observation.namespaces.length > 1;
  const lines = [
    ...headerLines(page, diagnosis),
    ...(findings.length === 0 ? nothingLines(page, diagnosis) : []),
    ...findings.flatMap((finding) => {
      const withNamespace = several && finding.namespace.enterPath !== undefined;
      return ['', ...renderFinding(page, finding, { owners: observation.owners, withNamespace })];
    }),
    ...unseenLines(page, observation.notes, capabilities),
  ];
  return `${lines.join('\n')}\n`;
}

function headerLines(page: Page, { observation, findings, tookMs }: Diagnosis): string[] {
  const { host, kernel, namespaces } = observation;
  const where =
    namespaces.length === 1
      ? `in network namespace ${namespaces[0].label}`
      : `in ${counted(namespaces.length, 'network namespace')}`;
  const seen = `${counted(socketsSeen(observation), 'TCP socket')} ${where}`;
  const [first, ...others] = page.prose(`${host}: Linux ${kernel}, ${seen}, ${durationUp(tookMs)}`, '  ', '');
  const header = [page.style.bold(first), ...others.map(page.style.bold)];
  return findings.length === 0 ? header : [...header, ...summaryLines(page, findings)];
}

function summaryLines(page: Page, findings: Diagnosis['findings']): string[] {
  const parts = (['critical', 'warning', 'notice'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [counted(count, severity, severity === 'critical' ? severity : `${severity}s`)];
  });
  return page.prose(`${counted(findings.length, 'finding')}, worst first: ${parts.join(', ')}`, '  ', '');
}

/** Nothing found is only as good as what was looked at: so that is said. */
function nothingLines(page: Page, { observation }: Diagnosis): string[] {
  const complete = isComplete(observation);
  const verdict = complete ? '✔ Nothing is stuck.' : '✔ Nothing stuck was found, but not all sockets could be seen.';
  const colour = complete ? page.style.green : page.style.yellow;
  return ['', ...page.prose(verdict, '  ', '').map(colour), ...page.labelled('Looked at', lookedAt(page, observation))];
}

const NAMESPACES_NAMED = 6;

function lookedAt(page: Page, { namespaces }: Diagnosis['observation']): string[] {
  const counts = new Map<number, number>();
  for (const { table } of namespaces) {
    for (let row = 0; row < table.count; row++) {
      const state = table.state(row);
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
  }
  const states = [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([state, count]) => `${thousands(count)} ${stateName(state)}`);
  const lines = page.body(states.length === 0 ? 'no sockets' : states.join(', '));
  if (namespaces.length < 2) return lines;
  const labels = namespaces.slice(0, NAMESPACES_NAMED).map(({ label }) => label);
  const more = namespaces.length - labels.length;
  const rest = more > 0 ? ` and ${more} more` : '';
  return [...lines, ...page.body(`network namespaces ${labels.join(', ')}${rest}`)];
}

/** The last paragraph: what could not be seen, why, and what would allow it. Nothing when all was seen. */
export function unseenLines(page: Page, notes: readonly Note[], capabilities: readonly Capability[]): string[] {
  const said = noteTexts(notes);
  const missing = capabilities.filter(({ available }) => !available);
  if (said.length === 0 && missing.length === 0) return [];
  return [
    '',
    ...said.flatMap((text) => page.prose(text, '  ', 'Not seen: ')),
    ...(missing.length === 0 ? [] : page.prose(missingText(missing), '  ', 'Not possible here: ')),
  ].map((line) => (line === '' ? line : page.style.dim(line)));
}

const NOTES_NAMED = 3;

/** One text for all that was not seen for the same reason. */
function noteTexts(notes: readonly Note[]): string[] {
  const byReason = new Map<string, Set<string>>();
  for (const { what, because, todo } of notes) {
    const reason = todo === undefined ? because : `${because}; to change that, ${todo}`;
    byReason.set(reason, (byReason.get(reason) ?? new Set()).add(what));
  }
  return [...byReason].map(([reason, all]) => {
    const named = [...all].slice(0, NOTES_NAMED).join(', ');
    const more = all.size - NOTES_NAMED;
    return `${named}${more > 0 ? ` and ${thousands(more)} more` : ''}: ${reason}`;
  });
}

/** What the same measure would allow is named together. */
function missingText(missing: readonly Capability[]): string {
  const byTodo = new Map<string, string[]>();
  for (const { what, because, todo } of missing) {
    const key = todo ?? because;
    byTodo.set(key, [...(byTodo.get(key) ?? []), what]);
  }
  return [...byTodo].map(([todo, what]) => `${what.join(', ')} (${todo})`).join('; ');
}
