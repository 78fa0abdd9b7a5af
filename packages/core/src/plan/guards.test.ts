import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { type GuardFacts, guardOf } from './guards.ts';
import type { ClearTarget } from './target.ts';
import { target } from './testing_target.ts';

const NOTHING_ALLOWED: GuardFacts = {
  sessionPids: new Set([1, 500]),
  allowEstablished: false,
  allowListeners: false,
  namedSingly: false,
};

const login = { local: { address: '10.0.0.1', port: 22 }, remote: { address: '10.0.0.9', port: 50_000 } };

describe('guardOf', () => {
  it.each<[string, Partial<ClearTarget>, Partial<GuardFacts>, RegExp | undefined]>([
    ['a leaked socket', {}, {}, undefined],
    ['the login', {}, { login }, /login/],
    ['the login behind a dual-stack listener', { local: { address: '::ffff:10.0.0.1', port: 22 } }, { login }, /login/],
    ['another connection of the same client', { remote: { address: '10.0.0.9', port: 50_001 } }, { login }, undefined],
    ['the login, even when named', {}, { login, namedSingly: true, allowEstablished: true }, /login/],
    ['what a parent of this command holds', { owners: [{ pid: 500, command: 'sshd', fd: 3 }] }, {}, /pid 500/],
    ['a listener', { state: TcpState.LISTEN }, {}, /--listeners/],
    ['a listener, asked for', { state: TcpState.LISTEN }, { allowListeners: true }, undefined],
    ['a listener, only named', { state: TcpState.LISTEN }, { namedSingly: true }, /--listeners/],
    ['an open connection', { state: TcpState.ESTABLISHED }, {}, /--established/],
    ['an open connection, asked for', { state: TcpState.ESTABLISHED }, { allowEstablished: true }, undefined],
    ['an open connection, named', { state: TcpState.ESTABLISHED }, { namedSingly: true }, undefined],
    ['a bound socket', { state: TcpState.BOUND_INACTIVE }, { namedSingly: true }, /only its program/],
  ])('%s', (_name, socket, facts, expected) => {
    const reason = guardOf(target(socket), { ...NOTHING_ALLOWED, ...facts });
    if (expected) expect(reason).toMatch(expected);
    else expect(reason).toBeUndefined();
  });
});
