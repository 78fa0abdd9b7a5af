import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { ANY_DUAL, ANY_IPV4, ANY_IPV6, type BindAddress, type BindSet, OPTIONS_OF } from './bind_request.ts';
import { isOverlapping, type Occupant } from './conflict.ts';
import { type BindQuestion, predictBind } from './predict.ts';

// Measured on Linux 6.18 with programs in Python; test/port_matrix.test.ts holds the same against the running kernel.

const at = (address: string): BindAddress => ({ family: address.includes(':') ? 6 : 4, address, v6only: false });

const occupant = (more: Partial<Occupant> = {}): Occupant => ({
  state: TcpState.TIME_WAIT,
  kind: 'minisocket',
  family: 4,
  localAddress: '127.0.0.1',
  uid: 0,
  reuseaddr: true,
  reuseport: false,
  ...more,
});

const ask = (set: BindSet, others: readonly Occupant[], more: Partial<BindQuestion> = {}) =>
  predictBind({ at: ANY_IPV4, options: OPTIONS_OF[set], port: 8080, uid: 0, mayBindLow: true, ...more }, others).result;

describe('addresses', () => {
  const v6 = (localAddress: string, v6only?: boolean) => occupant({ family: 6, localAddress, v6only });
  it.each([
    ['0.0.0.0 and one IPv4 address', ANY_IPV4, occupant(), true],
    ['dual-stack and IPv4', ANY_DUAL, occupant(), true],
    ['IPv6 only and IPv4', ANY_IPV6, occupant(), false],
    ['IPv6 only and an IPv4 address held by an IPv6 socket', ANY_IPV6, v6('::ffff:127.0.0.1'), false],
    ['0.0.0.0 and the same', ANY_IPV4, v6('::ffff:127.0.0.1'), true],
    ['another address', at('127.0.0.2'), occupant(), false],
    ['0.0.0.0 held', at('127.0.0.2'), occupant({ localAddress: '0.0.0.0' }), true],
    ['dual-stack held, IPv4 wanted', at('127.0.0.2'), v6('::', false), true],
    ['IPv6 only held, IPv4 wanted', at('127.0.0.2'), v6('::', true), false],
    ['IPv6 wildcard of unknown kind held, IPv4 wanted', at('127.0.0.2'), v6('::'), undefined],
    ['0.0.0.0 and a bound IPv6 address', ANY_IPV4, v6('::1', true), false],
    ['0.0.0.0 and a connection of a dual-stack socket', ANY_IPV4, v6('::1', false), true],
    ['0.0.0.0 and an IPv6 connection of unknown kind', ANY_IPV4, v6('::1'), undefined],
    ['one IPv4 address and an IPv6 connection', at('127.0.0.1'), v6('::1', false), false],
    ['IPv6 only and IPv6', ANY_IPV6, v6('::1', false), true],
    ['an IPv6 address and the wildcard', at('::1'), v6('::', true), true],
    ['an IPv6 address and IPv4', at('::1'), occupant({ localAddress: '0.0.0.0' }), false],
  ])('%s', (_, wanted, held, expected) => {
    expect(isOverlapping(wanted, held)).toBe(expected);
  });
});

describe('options', () => {
  const listener = (more: Partial<Occupant> = {}) => occupant({ state: TcpState.LISTEN, kind: 'full', ...more });
  it.each([
    ['TIME_WAIT of a server', 'plain', occupant(), 'EADDRINUSE'],
    ['TIME_WAIT of a server', 'reuseaddr', occupant(), 'ok'],
    ['TIME_WAIT of a server', 'reuseport', occupant(), 'EADDRINUSE'],
    ['TIME_WAIT of a server', 'both', occupant(), 'ok'],
    ['TIME_WAIT of a client', 'reuseaddr', occupant({ reuseaddr: false }), 'EADDRINUSE'],
    ['TIME_WAIT of unknown options', 'reuseaddr', occupant({ reuseaddr: undefined }), 'unknown'],
    ['TIME_WAIT of unknown options', 'plain', occupant({ reuseaddr: undefined }), 'EADDRINUSE'],
    ['TIME_WAIT of another user', 'reuseport', occupant({ reuseport: true, uid: 33 }), 'ok'],
    ['a listener', 'reuseaddr', listener(), 'EADDRINUSE'],
    ['a listener with SO_REUSEPORT', 'reuseport', listener({ reuseport: true }), 'ok'],
    ['a listener with SO_REUSEPORT of another user', 'reuseport', listener({ reuseport: true, uid: 33 }), 'EADDRINUSE'],
    ['a half-open connection', 'plain', occupant({ state: TcpState.SYN_RECV, kind: 'request' }), 'ok'],
  ] as const)('%s, %s', (_, set, held, expected) => {
    expect(ask(set, [held])).toBe(expected);
  });

  it('one that refuses outweighs one that may', () => {
    expect(ask('reuseaddr', [occupant({ reuseaddr: undefined }), listener()])).toBe('EADDRINUSE');
  });
});

describe('what comes before the other sockets', () => {
  it('a foreign address, then the privilege', () => {
    const low = { port: 80, mayBindLow: false };
    expect(ask('plain', [], { ...low, isLocal: false })).toBe('EADDRNOTAVAIL');
    expect(ask('plain', [occupant()], low)).toBe('EACCES');
    expect(ask('plain', [], { ...low, unprivilegedFrom: 0 })).toBe('ok');
  });
});
