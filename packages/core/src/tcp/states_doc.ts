import type { Settings } from '../snapshot.ts';
import { drawDiagram } from './diagram.ts';
import { BESIDE_THE_DIAGRAM, STATES_IN_ORDER } from './diagram_list.ts';
import { type ResolvedGovernor, resolveGovernor } from './governs.ts';
import { meaningOf } from './meaning.ts';
import { foreignNames, systemTitle } from './names.ts';
import { stateFacts } from './state_facts.ts';
import type { StateName } from './states.ts';
import { actorWords, type Transition, transitionsFrom, transitionsTo } from './transitions.ts';

function edgeItem(edge: Transition, other: string): string {
  const send = edge.send ? `, send ${edge.send}` : '';
  const note = edge.note ? ` ${edge.note}` : '';
  return `- **${other}**: ${edge.event}${send} (${actorWords(edge.actor)}).${note}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? [`**${title}**`, '', ...lines, ''] : [];
}

function governorItem({ when, text, settings }: ResolvedGovernor): string {
  const values = settings.map(({ name, shown }) => `\`${name}\` ${shown}`).join(', ');
  return `- ${when}: ${text}${values && ` (${values})`}`;
}

function stateSection(state: StateName, settings: Settings): string[] {
  const { meaning, ends, next, governs, misbeliefs } = meaningOf(state);
  const resolved = governs.map((governor) => resolveGovernor(governor, settings));
  return [
    `## ${state}`,
    '',
    stateFacts(state),
    '',
    meaning,
    '',
    ...section(
      'Who must act',
      next.map(({ actor, what }) => `- ${actorWords(actor)}: ${what}`),
    ),
    ...section('What ends it', [ends]),
    ...section('How long it lasts', resolved.map(governorItem)),
    ...section(
      'Comes from',
      transitionsTo(state).map((edge) => edgeItem(edge, edge.from)),
    ),
    ...section(
      'Goes to',
      transitionsFrom(state).map((edge) => edgeItem(edge, edge.to)),
    ),
    ...section('Names elsewhere', [
      '| system | name | |',
      '|---|---|---|',
      ...foreignNames(state).map(
        ({ system, names, note }) =>
          `| ${systemTitle(system)} | ${names.map((n) => `\`${n}\``).join(', ')} | ${note ?? ''} |`,
      ),
    ]),
    ...section(
      'Often believed',
      misbeliefs.map((line) => `- ${line}`),
    ),
  ];
}

/**
 * docs/states.md, from the same tables as `lastack explain`. Lengths are worked out for the settings given (the
 * defaults of a kernel). A test holds the file against this; `vitest --update` writes it.
 */
export function statesDocument(settings: Settings, kernel: string): string {
  const lines = [
    '# TCP states on Linux',
    '',
    `<!-- Generated from packages/core/src/tcp; write it anew with: npx vitest run packages/core/src/tcp/states_doc --update -->`,
    '',
    `What \`lastack explain\` says, with the default settings of Linux ${kernel}. On a host the command shows that host's own values.`,
    '',
    '```text',
    ...drawDiagram(),
    '```',
    '',
    ...BESIDE_THE_DIAGRAM.map((line) => `- ${line}`),
    '',
    ...STATES_IN_ORDER.flatMap((state) => stateSection(state, settings)),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}
