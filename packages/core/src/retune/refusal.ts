import { type GuardFacts, guardedSession } from '../plan/guards.ts';
import type { Refusal } from '../plan/means.ts';
import type { ClearTarget } from '../plan/target.ts';
import { TcpState } from '../tcp/states.ts';

/** Why no option of this socket can be set, and what helps instead; undefined when a process holds it. */
export function refuseRetune({
  state,
  kind,
  owners,
}: Pick<ClearTarget, 'state' | 'kind' | 'owners'>): Refusal | undefined {
  switch (kind) {
    case 'orphan':
      return withoutDescriptor(
        'an orphan: its program has closed it',
        state === TcpState.FIN_WAIT2
          ? 'tcp_fin_timeout governs the next ones; `lastack clear` ends this one'
          : 'tcp_orphan_retries governs it; `lastack clear` ends it',
      );
    case 'unaccepted':
      return withoutDescriptor(
        'its program has not accepted it yet',
        'retune its listener for later ones (--listeners), and this one when it is accepted',
      );
    case 'minisocket':
      return withoutDescriptor(
        'only the stand-in of a closed connection is left',
        state === TcpState.TIME_WAIT
          ? 'TIME_WAIT lasts 60 s whatever is set'
          : 'its timer runs already; `lastack clear` ends it',
      );
    case 'request':
      return withoutDescriptor(
        'half open: not yet a socket of its own',
        'retune its listener: --syn-count with --listeners',
      );
    case 'full':
      if (owners.length > 0) return undefined;
      return {
        outcome: 'not-permitted',
        because: 'the process that holds it could not be seen (or the kernel itself holds it)',
        todo: 'run as root or with CAP_SYS_PTRACE',
      };
  }
}

function withoutDescriptor(because: string, todo: string): Refusal {
  return { outcome: 'unsupported', because: `${because}, no process has a descriptor`, todo };
}

/** Why this socket is left alone; undefined: it may be retuned. One line, with what would allow it. */
export function guardRetune(target: ClearTarget, facts: Omit<GuardFacts, 'allowEstablished'>): string | undefined {
  if (target.state === TcpState.LISTEN && !facts.allowListeners && !facts.namedSingly) {
    return 'a listener, whose options all later connections inherit; --listeners includes it';
  }
  const session = facts.namedSingly ? undefined : guardedSession(target, facts);
  return session && `${session}; name it alone to retune it`;
}
