import {
  actorWords,
  BESIDE_THE_DIAGRAM,
  boxOf,
  DIAGRAM_WIDTH,
  drawDiagram,
  foreignNames,
  listAllEdges,
  listEdges,
  meaningOf,
  resolveGovernor,
  type Settings,
  STATES_IN_ORDER,
  type StateName,
  stateFacts,
  systemTitle,
  TcpState,
  transitionsFrom,
  transitionsTo,
} from '@lastack/core';
import { INDENT, pairs, prose, section } from './page_parts.ts';
import type { Style } from './style.ts';

export interface ExplainOptions {
  /** net.ipv4 values of the host (or namespace) the reader is on. */
  settings: Settings;
  /** Columns of the terminal. Below DIAGRAM_WIDTH the drawing becomes a list. */
  width: number;
  style: Style;
  ascii?: boolean;
}

function diagram(state: StateName, { width, style, ascii }: ExplainOptions): string[] {
  if (width < DIAGRAM_WIDTH) return listEdges(state, width, ascii);
  const drawn = drawDiagram({ mark: state, ascii, emphasize: style.bold });
  const part =
    boxOf(state) === state ? [] : ['', ...prose(`${state} is a part of ${boxOf(state)} in this drawing.`, width)];
  return [...drawn, ...part];
}

function lengths(state: StateName, { settings, width, style }: ExplainOptions): string[] {
  return meaningOf(state).governs.flatMap((governor) => {
    const { when, text, settings: values } = resolveGovernor(governor, settings);
    const shown = values.map(({ name, shown }) => `${name} = ${shown}`).join(', ');
    return [
      ...prose(when, width).map(style.cyan),
      ...prose(text, width, '    '),
      ...prose(shown, width, '    ').map(style.dim),
    ];
  });
}

/** What `lastack explain STATE` prints, without a final line feed. */
export function renderExplain(state: StateName, options: ExplainOptions): string {
  const { width, style } = options;
  const { meaning, ends, next, misbeliefs } = meaningOf(state);
  const names = foreignNames(state).map(
    ({ system, names, note }) => [systemTitle(system), `${names.join(', ')}${note ? ` (${note})` : ''}`] as const,
  );
  return [
    style.bold(state),
    ...prose(stateFacts(state), width).map(style.dim),
    '',
    ...prose(meaning, width),
    ...section(
      'Who must act',
      pairs(
        next.map(({ actor, what }) => [actorWords(actor), what] as const),
        width,
      ),
      style,
    ),
    ...section('What ends it', prose(ends, width), style),
    ...section('How long it lasts here', lengths(state, options), style),
    ...section('Where it stands', diagram(state, options), style),
    ...section('Names elsewhere', pairs(names, width), style),
    ...section(
      'Often believed',
      misbeliefs.flatMap((line) => prose(line, width, '    ', '  - ')),
      style,
    ),
  ].join('\n');
}

/** The first sentence of a state's meaning. */
function gist(state: StateName): string {
  return /^.*?\.(?= |$)/s.exec(meaningOf(state).meaning)?.[0] ?? '';
}

/** What `lastack explain` prints: the whole machine, and a line on each state. */
export function renderExplainAll({ width, style, ascii }: Omit<ExplainOptions, 'settings'>): string {
  const drawing = width < DIAGRAM_WIDTH ? listAllEdges(width, ascii) : drawDiagram({ ascii });
  return [
    ...drawing,
    '',
    ...BESIDE_THE_DIAGRAM.flatMap((line) => prose(line, width, INDENT, '- ')),
    ...section(
      'The states',
      pairs(
        STATES_IN_ORDER.map((state) => [state, gist(state)] as const),
        width,
      ),
      style,
    ),
    '',
    ...prose('lastack explain STATE says more, with the values of this host.', width, ''),
  ].join('\n');
}

/** `lastack explain STATE --json`: schema lastack.state/1. A setting that could not be read is null. */
export function explainJson(state: StateName, settings: Settings) {
  const { meaning, ends, next, governs, misbeliefs } = meaningOf(state);
  return {
    schema: 'lastack.state/1',
    state,
    number: TcpState[state],
    meaning,
    ends,
    next: next.map(({ actor, what }) => ({ actor, what })),
    lengths: governs.map((governor) => {
      const { when, text, settings: values } = resolveGovernor(governor, settings);
      return { when, text, settings: Object.fromEntries(values.map(({ name, value }) => [name, value ?? null])) };
    }),
    transitions: { in: transitionsTo(state), out: transitionsFrom(state) },
    names: foreignNames(state),
    misbeliefs: [...misbeliefs],
  };
}
