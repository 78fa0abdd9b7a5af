import { ADVICE_GROUPS, EVIDENCE_BASES, VERDICTS } from '@lastack/core';
import { z } from 'zod';
import { text } from './schema_parts.ts';

const Verdict = z
  .enum(VERDICTS)
  .describe('Of a belief: works = it is so; works-but = in part; does-nothing = it is not so.');

const AdviceEvidence = z
  .strictObject({
    what: text(),
    basis: z.enum(EVIDENCE_BASES),
    where: text().describe('The kernel it was measured on; a source file, a manual page or an RFC.'),
    repeat: text().optional().describe('A command that shows it again.'),
  })
  .meta({ id: 'AdviceEvidence' });

const AdviceInstead = z.strictObject({ command: text(), what: text() }).meta({ id: 'AdviceInstead' });

const verdictFields = {
  verdict: Verdict,
  why: text(),
  evidence: z.array(AdviceEvidence),
  instead: z.array(AdviceInstead).describe('What to do instead, best first.'),
};

const AdvicePart = z.strictObject({
  text: text().describe('The piece as it was written.'),
  id: text().describe('`unknown` for what nothing is known of.'),
  recognisedAs: text(),
  ...verdictFields,
  checkedBy: z.array(text()).optional().describe('Tests that hold the verdict against a running kernel.'),
  governedHereBy: z
    .array(text())
    .optional()
    .describe('For a name of another system: the Linux settings that govern the same thing; empty: nothing does.'),
  settings: z.record(z.string(), text().nullable()).describe('Values here; null: not there, or not readable.'),
  sockDestroy: z.strictObject({ available: z.boolean(), because: text() }).optional(),
  nearest: z.array(text()).optional().describe('For what is unknown: what may have been meant.'),
});

export const AdviceDocument = z.strictObject({
  schema: z.literal('lastack.advice/1'),
  text: z.string().describe('What was asked, without control characters.'),
  kernel: text(),
  ...verdictFields,
  verdict: Verdict.describe('The worst of the parts. The why, evidence and instead beside it are those of that part.'),
  parts: z.array(AdvicePart).describe('Each piece of advice in the text, in its order.'),
});

export const AdviceListDocument = z.strictObject({
  schema: z.literal('lastack.advice-list/1'),
  advice: z.array(
    z.strictObject({
      text: text().describe('As people write it: `lastack explain` takes it.'),
      group: z.enum(Object.keys(ADVICE_GROUPS) as (keyof typeof ADVICE_GROUPS)[]),
      id: text(),
      recognisedAs: text(),
      verdict: Verdict,
      why: text(),
    }),
  ),
});
