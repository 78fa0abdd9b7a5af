import type { Settings } from '../snapshot.ts';
import { stateFromForeignName } from '../tcp/names.ts';
import { parseState } from '../tcp/parse_state.ts';
import { cleanAdvice, lowered, statesAround } from './advice_text.ts';
import { pieceOf } from './heading.ts';
import { ADVICE_ITEMS } from './items/mod.ts';
import { type AdviceGroup, type AdviceJudgement, type AdviceVerdict, VERDICTS } from './judgement.ts';
import { itemMentions, type Mention, withoutOverlaps } from './mention.ts';
import { nearestAdvice } from './nearest_advice.ts';
import { namesIn, settingMentions, spelledSetting } from './setting_mentions.ts';
import { unknownMentions } from './unknown_mentions.ts';

/** One piece of the text, judged. */
export interface JudgedAdvice extends AdviceJudgement {
  /** The piece as it was written. */
  text: string;
  id: string;
  group: AdviceGroup;
  recognisedAs: string;
  /** Settings whose present values belong beside it. */
  settings: readonly string[];
  needsSockDestroy: boolean;
  /** For a name of another system: what governs the same thing here. */
  here?: readonly string[];
  /** For what is unknown: what may have been meant. */
  nearest?: readonly string[];
}

export interface AdviceAnswer {
  /** The worst of the parts; `unknown` when none was recognised. */
  verdict: AdviceVerdict;
  /** In the order of the text, each once. Empty when there is nothing in it that looks like advice. */
  parts: readonly JudgedAdvice[];
}

const MOST_PARTS = 60;

/**
 * Judges every piece of advice in a text that somebody pasted.
 * @param host settings as they are here, to which a value is held; the defaults of a kernel for a page of the manual
 */
export function judgeAdvice(text: string, host: Settings): AdviceAnswer {
  const clean = cleanAdvice(text);
  const lower = lowered(clean);
  const names = namesIn(lower).filter(({ name }) => !isState(name));
  const found = withoutOverlaps([...itemMentions(lower, ADVICE_ITEMS), ...settingMentions(lower, names)]);
  const known = found.length > 0 ? found : spelledSetting(lower);
  const unknown = unknownMentions(lower, names, known);
  const all = [...known, ...unknown].sort((a, b) => a.start - b.start);
  const parts = onceEach(all)
    .slice(0, MOST_PARTS)
    .map((mention) => judged(mention, clean, lower, host));
  const worst = VERDICTS.find((verdict) => parts.some((part) => part.verdict === verdict));
  return { verdict: worst ?? 'unknown', parts };
}

function isState(name: string): boolean {
  return (
    parseState(name) !== undefined || (!name.startsWith('tcp_') && stateFromForeignName(undefined, name) !== undefined)
  );
}

function onceEach(mentions: readonly Mention[]): Mention[] {
  const seen = new Set<string>();
  const withValue = new Set(mentions.filter(({ value }) => value !== undefined).map(({ id }) => id));
  return mentions.filter(({ id, value, start, end }) => {
    const key = `${id} ${value ?? ''} ${id === 'unknown' ? `${start} ${end}` : ''}`;
    // `SO_LINGER` beside `{1,0}`: the one that says more stands for both.
    if (seen.has(key) || (value === undefined && withValue.has(id))) return false;
    seen.add(key);
    return true;
  });
}

function judged(mention: Mention, clean: string, lower: string, host: Settings): JudgedAdvice {
  const { start, end, id, group, recognisedAs, value, settings, needsSockDestroy, here } = mention;
  const text = pieceOf(clean, start, end);
  const number = value === undefined || !/^(?:0x[0-9a-f]+|-?\d+)$/.test(value) ? undefined : Number(value);
  const judgement = mention.judge({ value, number, states: statesAround(lower, start, end), host });
  const nearest = id === 'unknown' ? nearestAdvice(text) : undefined;
  return {
    text,
    id,
    group,
    recognisedAs,
    ...judgement,
    settings,
    needsSockDestroy,
    ...(here && { here }),
    ...(nearest && { nearest }),
  };
}
