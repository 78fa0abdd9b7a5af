import { TimerCode } from '@lastack/core';
import type { Actor } from '../actor-process.ts';
import type { ProcSocket } from '../protocol.ts';
import type { AddressPair } from '../scenario.ts';
import { settled } from '../settle.ts';

export type Ending = 'owned' | 'orphan';

/** Owned: the program keeps its descriptor and only stops sending. Orphan: it has let go of the socket. */
export const HOW = { owned: 'shutdown', orphan: 'close' } as const;

export function nameSuffix(ending: Ending): string {
  return ending === 'orphan' ? '-orphan' : '';
}

/** Enough retransmissions that nobody would call it a hiccup; about 1.5 s at the usual 200 ms. */
export const CLEARLY_RETRANSMITTING = 3;

/** Half-closed states last one round trip when all is well; this long is no passing through. */
export const STANDING_STILL_MS = 2_500;

export function matching(sockets: readonly ProcSocket[], pairs: readonly AddressPair[]): ProcSocket[] {
  const wanted = new Set(pairs.map(({ local, remote }) => `${local.port} ${remote.port}`));
  return sockets.filter(({ local, remote }) => wanted.has(`${local.port} ${remote.port}`));
}

/** Waits until every one of the sockets satisfies the condition. */
export async function allSettled(
  actor: Actor,
  family: 4 | 6,
  pairs: readonly AddressPair[],
  wanted: string,
  condition: (socket: ProcSocket) => boolean,
): Promise<void> {
  await settled(actor, family, wanted, (sockets) => {
    const mine = matching(sockets, pairs);
    return mine.length === pairs.length && mine.every(condition);
  });
}

export function retransmitting(state: number): (socket: ProcSocket) => boolean {
  return (socket) =>
    socket.state === state && socket.timer === TimerCode.RETRANSMIT && socket.retransmits >= CLEARLY_RETRANSMITTING;
}

export function probing(state: number): (socket: ProcSocket) => boolean {
  return (socket) => socket.state === state && socket.timer === TimerCode.ZERO_WINDOW_PROBE;
}

export function inState(state: number): (socket: ProcSocket) => boolean {
  return (socket) => socket.state === state;
}
