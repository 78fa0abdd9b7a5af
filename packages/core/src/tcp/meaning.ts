import { CLOSING_MEANINGS } from './meaning_closing.ts';
import { OPENING_MEANINGS } from './meaning_opening.ts';
import type { StateName } from './states.ts';
import type { Actor } from './transitions.ts';

/** Who must act for the state to end, and by doing what. */
export interface NextStep {
  actor: Actor;
  what: string;
}

/**
 * What governs the length of a state in one case. `text` is a template: `{tcp_retries2}` stands for the host's value
 * of that setting, `{=held}` for a length worked out from the settings (see `resolveGovernor`).
 */
export interface Governor {
  /** The case it holds for (`held by a program`). */
  when: string;
  text: string;
  /** Settings of net.ipv4 (and net.core.somaxconn) that decide here. */
  settings: readonly string[];
}

export interface StateMeaning {
  meaning: string;
  /** What ends the state. */
  ends: string;
  next: readonly NextStep[];
  governs: readonly Governor[];
  /** What people wrongly believe of it, each with what is so, one line each. */
  misbeliefs: readonly string[];
}

const MEANINGS: Readonly<Record<StateName, StateMeaning>> = { ...OPENING_MEANINGS, ...CLOSING_MEANINGS };

/** What is known of a state, independent of any host. */
export function meaningOf(state: StateName): StateMeaning {
  return MEANINGS[state];
}
