import type { GuardFacts } from '@lastack/core';
import { readParentPid } from '@lastack/kernel';
import type { Effects } from '../effects.ts';

/** Longer chains of parents do not occur; a damaged /proc must not make this run for ever. */
const MAX_ANCESTORS = 64;

/** What carries and holds the session that lastack runs in: never to be cleared. */
export function sessionFacts(effects: Effects): Pick<GuardFacts, 'login' | 'sessionPids'> {
  return { login: loginConnection(effects.env.SSH_CONNECTION), sessionPids: ancestors(effects) };
}

/** sshd sets `CLIENT-ADDRESS CLIENT-PORT SERVER-ADDRESS SERVER-PORT`. */
function loginConnection(text: string | undefined): GuardFacts['login'] {
  const [clientAddress, clientPort, serverAddress, serverPort] = text?.split(' ') ?? [];
  if (!clientAddress || !serverAddress || !clientPort || !serverPort) return undefined;
  return {
    local: { address: withoutScope(serverAddress), port: Number(serverPort) },
    remote: { address: withoutScope(clientAddress), port: Number(clientPort) },
  };
}

function withoutScope(address: string): string {
  return address.split('%')[0];
}

function ancestors({ procRoot, pid }: Effects): Set<number> {
  const pids = new Set<number>();
  for (let next: number | undefined = pid; next && pids.size < MAX_ANCESTORS; next = readParentPid(procRoot, next)) {
    if (pids.has(next)) break;
    pids.add(next);
  }
  return pids;
}
