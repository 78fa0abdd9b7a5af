import type { ClearTarget } from '@lastack/core';

const SHOWN = 2;

/** `the descriptor of nginx (pid 77)`: what a socket without its connection still costs. undefined: nobody holds it. */
export function heldDescriptor({ kind, owners }: ClearTarget): string | undefined {
  if (kind !== 'full') return undefined;
  // By far the most sockets have one holder, and there may be a hundred thousand of them.
  if (owners.length === 1) return `the descriptor of ${owners[0].command} (pid ${owners[0].pid})`;
  const holders = [...new Set(owners.map(({ command, pid }) => `${command} (pid ${pid})`))];
  if (holders.length === 0) return 'the descriptor of its program';
  const rest = holders.length - SHOWN;
  const more = rest > 0 ? ` and ${rest} more` : '';
  return `the descriptor of ${holders.slice(0, SHOWN).join(', ')}${more}`;
}

/** What remains of a socket that was ended under its program. */
export function heldAfterReset(target: ClearTarget): string | undefined {
  const held = heldDescriptor(target);
  return held && `${held} until it closes it, and the port if it was bound by name`;
}

/** The parts that are there, as one line; undefined without any. */
export function joined(...parts: readonly (string | undefined)[]): string | undefined {
  const present = parts.filter((part) => part !== undefined);
  return present.length === 0 ? undefined : present.join('; ');
}

/** Where the other end gets no packet. */
export const PEER_UNAWARE = 'the end of the peer, if it still has one';
