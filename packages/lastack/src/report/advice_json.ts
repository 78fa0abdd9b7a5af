import { type AdviceAnswer, adviceSettings, type JudgedAdvice, type KnownAdvice } from '@lastack/core';
import type { AdviceHost } from '../engine/advice_host.ts';

/** `lastack explain ADVICE --json`: schema lastack.advice/1. The part with the worst verdict speaks for the whole. */
export function adviceJson(text: string, { verdict, parts }: AdviceAnswer, host: AdviceHost) {
  const worst = parts.find((part) => part.verdict === verdict);
  return {
    schema: 'lastack.advice/1',
    text,
    kernel: host.kernelRelease,
    verdict,
    why: worst?.why ?? 'Nothing that is known here was recognised in it.',
    evidence: worst?.evidence ?? [],
    instead: worst?.instead ?? [],
    parts: parts.map((part) => partJson(part, host)),
  };
}

function partJson(part: JudgedAdvice, host: AdviceHost) {
  const { text, id, recognisedAs, verdict, why, evidence, instead, checkedBy, here, nearest, needsSockDestroy } = part;
  return {
    text,
    id,
    recognisedAs,
    verdict,
    why,
    evidence,
    instead,
    ...(checkedBy && { checkedBy }),
    ...(here && { governedHereBy: here }),
    settings: adviceSettings(part, host.settings),
    ...(needsSockDestroy && host.sockDestroy && { sockDestroy: host.sockDestroy }),
    ...(nearest && { nearest }),
  };
}

/** `lastack explain --list --json`: schema lastack.advice-list/1. */
export function adviceListJson(all: readonly KnownAdvice[]) {
  return {
    schema: 'lastack.advice-list/1',
    advice: all.map(({ group, example, judged: { id, recognisedAs, verdict, why } }) => ({
      text: example,
      group,
      id,
      recognisedAs,
      verdict,
      why,
    })),
  };
}
