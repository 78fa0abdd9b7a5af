import type { ClearTarget } from './target.ts';

/** The means of clearing, by the names users give to `--method`. */
export const MEANS = [
  'close-gracefully',
  'destroy',
  'abort',
  'reset',
  'reset-path',
  'conntrack',
  'block',
  'signal',
  'restart',
  'sweep-orphans',
] as const;
export type MeansId = (typeof MEANS)[number];

/** What became of one socket. `planned` only in a dry run; `cleared` and `still-stuck` only after looking again. */
export type Outcome =
  | 'planned'
  | 'cleared'
  | 'already-gone'
  | 'identity-changed'
  | 'unsupported'
  | 'not-permitted'
  | 'still-stuck';

/** Why a means cannot be used on a socket here. One line when joined. */
export interface Refusal {
  outcome: 'unsupported' | 'not-permitted';
  because: string;
  todo?: string;
}

/** What will happen, in words for a table. */
export interface Preview {
  /** `a FIN`, `a reset`, `nothing`. */
  peerSees: string;
  /** What the program that holds the socket will see; undefined when none holds it. */
  programSees?: string;
  /** Bytes not yet delivered that are thrown away. */
  lostBytes: number;
  /** What still stands afterwards: a descriptor the program holds, the peer's end, a rule. */
  remains?: string;
}

/** What this kernel and this user permit, found out before planning. Every refusal carries its reason. */
export interface Abilities {
  /** undefined = possible. */
  refusals: Readonly<Partial<Record<MeansId, Refusal>>>;
  /** Orphans in FIN_WAIT1, CLOSING and LAST_ACK become immortal by SOCK_DESTROY here (tried, not guessed). */
  destroyBreaksOrphans: boolean;
}

/** One step of a plan: this socket, by this means. */
export interface PlannedStep {
  target: ClearTarget;
  /** undefined when no means is left; `refusal` says why. */
  means: MeansId | undefined;
  preview: Preview | undefined;
  refusal: Refusal | undefined;
}
