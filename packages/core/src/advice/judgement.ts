import type { Settings } from '../snapshot.ts';
import type { StateName } from '../tcp/states.ts';

/** What advice is worth, from worst to best; `unknown` where nothing is known of it. */
export const VERDICTS = ['harmful', 'gone', 'does-nothing', 'works-but', 'works', 'unknown'] as const;
export type AdviceVerdict = (typeof VERDICTS)[number];

/** Each verdict in a few words. Of a belief, `works` means that it is so, and `does-nothing` that it is not. */
export const VERDICT_WORDS: Readonly<Record<AdviceVerdict, string>> = {
  harmful: 'does more harm than good',
  gone: 'was removed from Linux',
  'does-nothing': 'does not do what it is recommended for',
  'works-but': 'works, within limits or at a price',
  works: 'works',
  unknown: 'not known here',
};

/** What a verdict rests on. */
export const EVIDENCE_BASES = ['measured', 'source', 'documentation', 'reasoned'] as const;

export interface AdviceEvidence {
  what: string;
  basis: (typeof EVIDENCE_BASES)[number];
  /** The kernel it was measured on; a source file, a manual page or an RFC. */
  where: string;
  /** A command that shows it again. */
  repeat?: string;
}

/** What to do instead: a command of lastack or of the system, and what it is for. */
export interface AdviceInstead {
  command: string;
  what: string;
}

export interface AdviceJudgement {
  verdict: AdviceVerdict;
  why: string;
  evidence: readonly AdviceEvidence[];
  instead: readonly AdviceInstead[];
  /** Tests that hold the verdict against a running kernel (`packages/lastack/test/advice`). */
  checkedBy?: readonly string[];
}

/** What a judgement may depend on, besides which advice it is. */
export interface AdviceContext {
  /** The value that was given (`15` of `tcp_fin_timeout=15`), as it was written. */
  value: string | undefined;
  /** The value as a number; undefined when none was given or it is none. */
  number: number | undefined;
  /** States that the same sentence names: what the advice is to be good for. */
  states: readonly StateName[];
  /** Those of the host; what a value would mean depends on the others. */
  host: Settings;
}

export const ADVICE_GROUPS = {
  settings: 'Kernel settings',
  options: 'Socket options',
  firewall: 'Firewall and connection tracking',
  tools: 'Ending single connections',
  processes: 'Signals and restarts',
  beliefs: 'Beliefs',
  foreign: 'Settings of other systems',
} as const;
export type AdviceGroup = keyof typeof ADVICE_GROUPS;

/** One piece of advice that people give each other. */
export interface AdviceItem {
  id: string;
  group: AdviceGroup;
  /** What it was recognised as, in a few words. */
  title: string;
  /** As people write it. Each is recognised as this item; the first stands for it in lists. */
  examples: readonly [string, ...string[]];
  /**
   * Ways to write it, over text in lower case; with the flag `g`. A group named `value` is the value. No pattern may
   * repeat a repetition, and gaps are bounded: the text is untrusted.
   */
  patterns: readonly RegExp[];
  judge: AdviceJudgement | ((context: AdviceContext) => AdviceJudgement);
  /** Settings whose present values belong beside the verdict. */
  settings?: readonly string[];
  /** The verdict depends on whether this kernel has SOCK_DESTROY. */
  needsSockDestroy?: true;
  /** For a name of another system: the settings here that govern the same thing; none means that nothing does. */
  here?: readonly string[];
}

export const MEASURED_ON = 'Linux 6.18';
