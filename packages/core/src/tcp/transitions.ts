import type { SocketKind } from './kind.ts';
import type { StateName } from './states.ts';
import { LINUX_TRANSITIONS } from './transitions_linux.ts';
import { RFC_TRANSITIONS } from './transitions_rfc.ts';

/** Whose act an event is: the two programs, the other host's kernel, or this kernel's own timers and limits. */
export type Actor = 'local-app' | 'peer-app' | 'peer-host' | 'kernel';

export type TransitionEvent =
  | 'bind'
  | 'passive open'
  | 'active open'
  | 'send'
  | 'close'
  | 'abort'
  | 'recv SYN'
  | 'recv SYN,ACK'
  | 'recv ACK of SYN'
  | 'recv FIN'
  | 'recv ACK of FIN'
  | 'recv FIN + ACK of FIN'
  | 'recv data'
  | 'recv RST'
  | 'hand over'
  | 'limit reached'
  | 'timeout';

/**
 * One edge of the state machine.
 * - `both`: drawn or noted in RFC 9293 §3.3.2 and done by Linux
 * - `rfc`: in the RFC, but Linux behaves otherwise (`note` says how)
 * - `linux`: what Linux adds (its extra states, its timers, its limits)
 */
export interface Transition {
  from: StateName;
  event: TransitionEvent;
  to: StateName;
  actor: Actor;
  /** Segments sent in answer, as the RFC writes them (`SYN,ACK`). */
  send?: string;
  where: 'both' | 'rfc' | 'linux';
  /** Kind of kernel object afterwards, where the edge changes it. */
  kindAfter?: SocketKind;
  note?: string;
}

/** The whole state machine: the RFC's edges first, then what Linux adds. */
export const TRANSITIONS: readonly Transition[] = [...RFC_TRANSITIONS, ...LINUX_TRANSITIONS];

/** Edges out of a state that happen on Linux. */
export function transitionsFrom(state: StateName): Transition[] {
  return TRANSITIONS.filter((edge) => edge.from === state && edge.where !== 'rfc');
}

/** Edges into a state that happen on Linux. */
export function transitionsTo(state: StateName): Transition[] {
  return TRANSITIONS.filter((edge) => edge.to === state && edge.where !== 'rfc');
}

const ACTOR_WORDS: Readonly<Record<Actor, string>> = {
  'local-app': 'the program here',
  'peer-app': 'the program at the other end',
  'peer-host': "the other host's kernel",
  kernel: 'this kernel',
};

/** The actor in words, to stand in a sentence (`the program here`). */
export function actorWords(actor: Actor): string {
  return ACTOR_WORDS[actor];
}
