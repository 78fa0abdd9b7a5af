import type { EndpointAddress, Outcome } from '@lastack/core';

/**
 * What was seen of one end.
 * - `reset`: it answered as part of the connection, was sent a reset, and its host says now that it has none
 * - `went-silent`: it spoke, was sent a reset, and gives no answer since; what a firewall before it would look like too
 * - `absent`: its host says that it has no such connection, and nothing of one was seen: also when the other end's host
 *   was the first to reset it
 * - `still-there`: it goes on answering after every reset
 * - `silent`: no packet of it was ever seen, so nothing could be sent to it
 * - `unreachable`: this host cannot send to it
 */
export type EndState = 'reset' | 'went-silent' | 'absent' | 'still-there' | 'silent' | 'unreachable';

export interface EndResult {
  end: EndpointAddress;
  state: EndState;
  /** One line. */
  because: string;
}

export interface PathReset {
  outcome: Extract<Outcome, 'cleared' | 'already-gone' | 'still-stuck' | 'unsupported' | 'not-permitted'>;
  /** Empty when nothing was tried. */
  ends: EndResult[];
  because?: string;
  todo?: string;
  /** What may still stand at the other end. */
  remains?: string;
}

const WORDS: Readonly<Record<EndState, string>> = {
  reset: 'reset: its host says now that it has no such connection',
  'went-silent': 'a reset was sent, and it has been silent since',
  absent: 'its host has no such connection',
  'still-there': 'it still answers after every reset',
  silent: 'no packet of it was seen, and it answered no probe',
  unreachable: 'nothing can be sent to it from here',
};

export function endResult(end: EndpointAddress, state: EndState, detail?: string): EndResult {
  return { end, state, because: detail ?? WORDS[state] };
}

/** What both ends together mean. */
export function pathResult(ends: EndResult[], waitedMs: number): PathReset {
  const having = (...states: EndState[]) => ends.filter(({ state }) => states.includes(state));
  if (having('still-there').length > 0) {
    return { outcome: 'still-stuck', ends, because: lines(having('still-there')), remains: remaining(ends) };
  }
  if (having('reset', 'went-silent').length > 0) return { outcome: 'cleared', ends, remains: remaining(ends) };
  if (having('absent').length === ends.length) return { outcome: 'already-gone', ends };
  if (having('unreachable').length > 0) {
    const todo = 'run it on a host, and in a namespace, that has a route to both ends';
    return { outcome: 'still-stuck', ends, because: lines(having('unreachable')), todo };
  }
  return {
    outcome: 'still-stuck',
    ends,
    because: `no packet of the connection passed here within ${Math.ceil(waitedMs / 1000)} s: ${lines(having('silent'))}`,
    todo: 'run it where the connection passes, or wait longer: the next retransmission can be two minutes away',
  };
}

function remaining(ends: readonly EndResult[]): string | undefined {
  const open = ends.filter(({ state }) => state !== 'reset' && state !== 'absent');
  return open.length === 0 ? undefined : `perhaps the end at ${lines(open)}`;
}

function lines(ends: readonly EndResult[]): string {
  return ends.map(({ end, because }) => `${text(end)} (${because})`).join(', ');
}

export function text({ address, port }: EndpointAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
