import {
  ADVICE_GROUPS,
  type AdviceAnswer,
  type AdviceEvidence,
  type AdviceGroup,
  type AdviceVerdict,
  adviceHere,
  type JudgedAdvice,
  type KnownAdvice,
  VERDICT_WORDS,
} from '@lastack/core';
import type { AdviceHost } from '../../engine/advice_host.ts';
import { INDENT, pairs, prose, section } from './page_parts.ts';
import { printable } from './printable.ts';
import type { Style } from './style.ts';

export interface AdviceOptions {
  width: number;
  style: Style;
}

const DEEPER = '    ';

/** What `lastack explain ADVICE` prints, without a final line feed. */
export function renderAdvice({ verdict, parts }: AdviceAnswer, host: AdviceHost, options: AdviceOptions): string {
  const { width, style } = options;
  const known = parts.filter(({ id }) => id !== 'unknown');
  const summary =
    parts.length > 1 ? [...prose(`${parts.length} pieces of advice; the worst: ${verdict}.`, width, ''), ''] : [];
  const pages = known.map((part) => partLines(part, host, options).join('\n'));
  return [...summary, pages.join('\n\n'), ...section('Not known here', unknownLines(parts, width), style)].join('\n');
}

function partLines(part: JudgedAdvice, host: AdviceHost, { width, style }: AdviceOptions): string[] {
  const { text, recognisedAs, verdict, why, evidence, instead } = part;
  return [
    ...prose(printable(text), width, '').map(style.bold),
    ...prose(recognisedAs, width).map(style.dim),
    '',
    ...prose(`${verdict}: ${VERDICT_WORDS[verdict]}.`, width).map(colourOf(verdict, style)),
    ...prose(why, width),
    ...section(
      'Evidence',
      evidence.flatMap((each) => evidenceLines(each, width, style)),
      style,
    ),
    ...section('Here', hereLines(part, host, width), style),
    ...section(
      'Instead',
      // A command stays on one line, so that it can be copied.
      instead.flatMap(({ command, what }) => [style.cyan(`${INDENT}${command}`), ...prose(what, width, DEEPER)]),
      style,
    ),
  ];
}

function evidenceLines({ what, basis, where, repeat }: AdviceEvidence, width: number, style: Style): string[] {
  return [
    ...prose(`${basis}: ${what} (${where})`, width, DEEPER, '  - '),
    ...(repeat === undefined ? [] : [style.dim(`      ${repeat}`)]),
  ];
}

function hereLines(part: JudgedAdvice, { settings, sockDestroy, timerHz }: AdviceHost, width: number): string[] {
  const destroy =
    part.needsSockDestroy && sockDestroy
      ? [`SOCK_DESTROY: this kernel ${sockDestroy.available ? 'has it' : 'does not have it'} (${sockDestroy.because}).`]
      : [];
  return [...adviceHere(part, settings, timerHz), ...destroy].flatMap((line) => prose(line, width));
}

function unknownLines(parts: readonly JudgedAdvice[], width: number): string[] {
  return parts
    .filter(({ id }) => id === 'unknown')
    .flatMap(({ text, nearest }) => prose(`${printable(text)}${nearestText(nearest)}`, width, DEEPER, '  - '));
}

function nearestText(nearest: readonly string[] | undefined): string {
  return nearest && nearest.length > 0 ? ` (nearest: ${nearest.join(', ')})` : '';
}

function colourOf(verdict: AdviceVerdict, style: Style): (text: string) => string {
  if (verdict === 'works') return style.green;
  return verdict === 'works-but' ? style.yellow : style.red;
}

/** What `lastack explain --list` prints. */
export function renderAdviceList(all: readonly KnownAdvice[], { width, style }: AdviceOptions): string {
  const groups = (Object.keys(ADVICE_GROUPS) as AdviceGroup[]).map((group) =>
    section(
      ADVICE_GROUPS[group],
      pairs(
        all.filter((each) => each.group === group).map(({ example, judged }) => [judged.verdict, example] as const),
        width,
      ),
      style,
    ).join('\n'),
  );
  return [
    groups.join('\n').trimStart(),
    '',
    ...prose('lastack explain ADVICE says why, in any way to write it.', width, ''),
  ].join('\n');
}
