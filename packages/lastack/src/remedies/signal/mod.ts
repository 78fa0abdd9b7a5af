import type { ClearTarget, Preview, Refusal } from '@lastack/core';
import { unreadBytes, unsentBytes } from '@lastack/core';
import type { Remedy } from '../remedy.ts';
import { joined } from '../shared/holders.ts';
import { refuseWithoutHolder } from '../shared/on_descriptor.ts';
import { type SignalName, signalHolders } from './apply.ts';

export { SIGNALS, type SignalName } from './apply.ts';

/** Sends a signal to every process that holds the socket, through a pidfd: never to a later process of that number. */
export function makeSignal({ signal }: { signal: SignalName }): Remedy {
  return {
    id: 'signal',
    title: `sends SIG${signal} to the processes that hold the socket: everything they hold is affected`,
    undo: 'none',
    refuse,
    preview: (target) => preview(target, signal),
    apply: (context, targets) => signalHolders(context, signal, targets),
  };
}

function refuse(target: ClearTarget): Refusal | undefined {
  const refusal = refuseWithoutHolder(target);
  if (refusal) return refusal;
  if (target.owners.some(({ pid }) => pid === 1)) {
    return { outcome: 'not-permitted', because: 'process 1 holds it: it is never signalled' };
  }
  return undefined;
}

function preview(target: ClearTarget, signal: SignalName): Preview {
  const unread = unreadBytes(target);
  const unsent = unsentBytes(target);
  const closing = unread > 0 ? 'a reset' : 'a FIN';
  const whatElse = 'all else that the process holds is affected alike';
  if (signal === 'HUP') {
    return {
      peerSees: `${closing}, if the program closes it`,
      programSees: 'SIGHUP',
      // A program that re-reads its configuration keeps the socket; one without a handler ends.
      lostBytes: unread > 0 ? unread + unsent : 0,
      remains: `the socket, unless the program ends or closes it; ${whatElse}`,
    };
  }
  // Closed with unread data, a connection is reset, and what still waited to be sent is lost too.
  const orphan = unread === 0 && unsent > 0 ? `an orphan until the peer has taken ${unsent} bytes` : undefined;
  return {
    peerSees: closing,
    programSees: `SIG${signal}`,
    lostBytes: unread > 0 ? unread + unsent : 0,
    remains: joined(orphan, whatElse),
  };
}
