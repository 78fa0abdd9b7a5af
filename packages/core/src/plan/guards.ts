import { plainAddress } from '../address.ts';
import { stateName, TcpState } from '../tcp/states.ts';
import type { ClearTarget, EndpointAddress } from './target.ts';

/** `lastack clear` touches no more sockets than this unless it is told how many (`--max`). */
export const CLEAR_MAX = 1_000;

/** What must not be hit, and what the user has asked for by name. */
export interface GuardFacts {
  /** The connection that carries this login, if one does (SSH_CONNECTION). */
  login?: { local: EndpointAddress; remote: EndpointAddress };
  /** This process and its ancestors: what they hold is the session itself. */
  sessionPids: ReadonlySet<number>;
  /** `--established`. */
  allowEstablished: boolean;
  /** `--listeners`. */
  allowListeners: boolean;
  /** Exactly one connection was named, by its addresses, cookie or descriptor: no bulk. */
  namedSingly: boolean;
}

/** Why this socket is left alone; undefined: it may be cleared. One line, with the flag that would allow it. */
export function guardOf(target: ClearTarget, facts: GuardFacts): string | undefined {
  const session = guardedSession(target, facts);
  if (session) return session;
  if (target.state === TcpState.LISTEN && !facts.allowListeners) {
    return 'it is a listener; --listeners would close it, and the service with it';
  }
  if (target.state === TcpState.BOUND_INACTIVE || target.state === TcpState.CLOSE) {
    return 'it is bound but not connected: only its program can close it';
  }
  if (target.state === TcpState.ESTABLISHED && !facts.allowEstablished && !facts.namedSingly) {
    return `it is ${stateName(target.state)} and may be in use; --established includes such connections`;
  }
  return undefined;
}

/** Whether the session that asks depends on the socket, and how. */
export function guardedSession(
  target: ClearTarget,
  facts: Pick<GuardFacts, 'login' | 'sessionPids'>,
): string | undefined {
  if (isLogin(target, facts)) return 'it carries the present login';
  const sessionOwner = target.owners.find(({ pid }) => facts.sessionPids.has(pid));
  return sessionOwner && `${sessionOwner.command} (pid ${sessionOwner.pid}), a parent of this command, holds it`;
}

function isLogin({ local, remote }: ClearTarget, { login }: Pick<GuardFacts, 'login'>): boolean {
  return login !== undefined && isSame(local, login.local) && isSame(remote, login.remote);
}

function isSame(one: EndpointAddress, other: EndpointAddress): boolean {
  return one.port === other.port && plainAddress(one.address) === plainAddress(other.address);
}
