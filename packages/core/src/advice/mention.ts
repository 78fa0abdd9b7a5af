import type { AdviceContext, AdviceGroup, AdviceItem, AdviceJudgement } from './judgement.ts';

/** A place in the text at which something was recognised. */
export interface Mention {
  start: number;
  end: number;
  /** The same for every way to write the same thing. */
  id: string;
  group: AdviceGroup;
  recognisedAs: string;
  value: string | undefined;
  judge(context: AdviceContext): AdviceJudgement;
  settings: readonly string[];
  needsSockDestroy: boolean;
  here: readonly string[] | undefined;
  /** For what nobody knows: what may have been meant. */
  nearest?: readonly string[];
}

/** Every place where one of the patterns fits. */
export function itemMentions(lower: string, items: readonly AdviceItem[]): Mention[] {
  return items.flatMap((item) =>
    item.patterns.flatMap((pattern) =>
      [...lower.matchAll(pattern)].map((match) => ({
        start: match.index,
        end: match.index + match[0].length,
        id: item.id,
        group: item.group,
        recognisedAs: item.title,
        value: match.groups?.value?.trim() || undefined,
        judge: (context: AdviceContext) => (typeof item.judge === 'function' ? item.judge(context) : item.judge),
        settings: item.settings ?? [],
        needsSockDestroy: item.needsSockDestroy ?? false,
        here: item.here,
      })),
    ),
  );
}

/** Of mentions that overlap, the one that begins first, and of those the longest. */
export function withoutOverlaps(mentions: readonly Mention[]): Mention[] {
  const ordered = [...mentions].sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Mention[] = [];
  let taken = 0;
  for (const mention of ordered) {
    if (mention.start < taken || mention.end === mention.start) continue;
    kept.push(mention);
    taken = mention.end;
  }
  return kept;
}
