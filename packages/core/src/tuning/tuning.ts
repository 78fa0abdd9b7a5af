import type { Span } from '../forecast/span.ts';
import type { NamespaceSnapshot } from '../snapshot.ts';

/** What the host is for. It decides between trade-offs; what is proposed at all rests on findings. */
export const TUNING_PROFILES = ['server', 'proxy', 'client', 'database'] as const;
export type TuningProfile = (typeof TUNING_PROFILES)[number];

/** What a value changes, before → after. */
export interface TuningEffect {
  /** `the 6 sockets of this finding`, `an orphan that nobody answers, from now on`. */
  what: string;
  before: string;
  after: string;
  /** Where it is a time. Absent for never, or where it is none. */
  beforeMs?: Span;
  afterMs?: Span;
}

/** One setting that the evidence speaks for. */
export interface Proposal {
  namespace: NamespaceSnapshot;
  /** Short name. */
  name: string;
  before: string;
  after: string;
  /** Why: the findings it rests on, or what is wrong with the present value. */
  because: string;
  /** Rules of these findings. */
  rules: readonly string[];
  effects: readonly TuningEffect[];
  sideEffects: string;
  confidence: 'high' | 'medium' | 'low';
  confidenceBecause: string;
  /** Complete, can be pasted. */
  command: string;
}

/** A finding that no setting helps, and why. */
export interface Unhelped {
  rule: string;
  title: string;
  because: string;
}

export interface Tuning {
  proposals: Proposal[];
  unhelped: Unhelped[];
}
