import {
  type AdviceAnswer,
  allAdvice,
  cleanAdvice,
  judgeAdvice,
  MAX_ADVICE_LENGTH,
  nearestAdvice,
  type StateName,
} from '@lastack/core';
import { readSettings } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { adviceHost } from '../../engine/advice_host.ts';
import { adviceJson, adviceListJson } from '../../report/advice_json.ts';
import { renderAdvice, renderAdviceList } from '../render/advice.ts';
import { printable } from '../render/printable.ts';
import { pageOptions } from '../render/report_options.ts';

export interface AdviceRequest {
  json?: boolean;
  /** What to say where it is no advice either. */
  otherwise?: string;
  /** A state of the same name. */
  alsoState?: StateName;
}

/** Everything known, with its verdict for this host. */
export function explainList(effects: Effects, json: boolean | undefined): string {
  const all = allAdvice(readSettings(effects));
  return json ? JSON.stringify(adviceListJson(all)) : renderAdviceList(all, pageOptions(effects));
}

/**
 * Judges what somebody pasted, and writes it.
 * @param words of the command line, which together are the text
 * @throws UserError when it holds nothing that is known
 */
export async function explainAdvice(
  effects: Effects,
  words: readonly string[],
  { json, otherwise, alsoState }: AdviceRequest,
): Promise<void> {
  const text = words.join(' ');
  if (text.length > MAX_ADVICE_LENGTH) {
    throw new UserError(
      `the text has ${text.length} characters, and at most ${MAX_ADVICE_LENGTH} are read at once; give it in pieces`,
    );
  }
  const answer = judgeAdvice(text, readSettings(effects));
  refuseOptions(words, answer);
  const isKnown = answer.verdict !== 'unknown';
  const host = await adviceHost(effects, answer.parts);
  if (json) effects.stdout.write(`${JSON.stringify(adviceJson(cleanAdvice(text), orUnknown(answer, text), host))}\n`);
  else if (isKnown)
    effects.stdout.write(`${renderAdvice(answer, host, pageOptions(effects))}\n${stateHint(alsoState)}`);
  if (!isKnown) throw new UserError(otherwise ?? unknownText(text), Exit.USAGE);
}

function stateHint(state: StateName | undefined): string {
  return state ? `\nFor the state of that name: lastack explain ${state}\n` : '';
}

/** Commander lets everything pass that looks like an option, since most commands that people paste have some. */
function refuseOptions(words: readonly string[], { parts }: AdviceAnswer): void {
  const option = words.find((word) => /^--[a-z]/.test(word) && !parts.some(({ text }) => text.includes(word)));
  if (option === undefined) return;
  throw new UserError(
    `explain has no option ${printable(option)}; if it belongs to the advice, put that into quotes as a whole`,
  );
}

/** A text in which nothing looks like advice is one unknown piece. */
function orUnknown(answer: AdviceAnswer, text: string): AdviceAnswer {
  if (answer.parts.length > 0) return answer;
  const part = {
    text: shown(text),
    id: 'unknown',
    group: 'settings' as const,
    recognisedAs: 'nothing known here',
    verdict: 'unknown' as const,
    why: 'Nothing that is known here was recognised in it.',
    evidence: [],
    instead: [],
    settings: [],
    needsSockDestroy: false,
    nearest: nearestAdvice(text),
  };
  return { ...answer, parts: [part] };
}

function unknownText(text: string): string {
  if (cleanAdvice(text).trim() === '')
    return 'explain what? the text is empty; name a state or paste advice, or give no text for the whole diagram';
  const near = nearestAdvice(text);
  const help = near.length > 0 ? `nearest: ${near.join(', ')}` : 'nothing known comes near it';
  return `'${shown(text)}' is no TCP state, and no advice that is known here; ${help}; lastack explain --list shows all`;
}

const LONGEST_SHOWN = 60;

function shown(text: string): string {
  const line = cleanAdvice(text).replaceAll(/\s+/g, ' ').trim() || '(nothing readable)';
  return line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN)}...` : line;
}
