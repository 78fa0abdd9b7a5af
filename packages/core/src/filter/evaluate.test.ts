import { describe, expect, it } from 'vitest';
import type { Owner } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import { type SocketSpec, tableOf } from '../testing.ts';
import { compileCandidates, compileFilter, type FilterContext } from './evaluate.ts';
import { parseFilter } from './parse.ts';

const MAPPED = '::ffff:a00:1';
const SOCKETS = {
  web: {
    state: TcpState.ESTABLISHED,
    local: '10.0.0.1',
    localPort: 80,
    remote: '10.0.2.46',
    remotePort: 40_001,
    inode: 11,
  },
  leak: {
    state: TcpState.CLOSE_WAIT,
    local: '10.0.0.1',
    localPort: 443,
    remote: '192.0.2.1',
    remotePort: 40_002,
    inode: 12,
    receiveQueue: 1,
  },
  mapped: {
    state: TcpState.ESTABLISHED,
    local: '::ffff:7f00:1',
    localPort: 443,
    remote: MAPPED,
    remotePort: 40_003,
    inode: 13,
    sendQueue: 70_000,
  },
  six: {
    state: TcpState.FIN_WAIT2,
    local: '2001:db8::1',
    localPort: 40_004,
    remote: '2001:db8::2',
    remotePort: 443,
    inode: 0,
    interfaceIndex: 3,
  },
  lingering: { state: TcpState.TIME_WAIT, local: '10.0.0.1', localPort: 443, remote: '10.9.0.1', remotePort: 40_005 },
  waiting: {
    state: TcpState.CLOSE_WAIT,
    local: '10.0.0.1',
    localPort: 80,
    remote: '10.0.0.9',
    remotePort: 40_006,
    inode: 0,
    mark: 5,
    cgroupId: 7n,
  },
  listener: { state: TcpState.LISTEN, local: '::', localPort: 443, remote: '::', remotePort: 0, inode: 14 },
  bound: { state: TcpState.CLOSE, local: '0.0.0.0', localPort: 81, remote: '0.0.0.0', remotePort: 0, inode: 15 },
} satisfies Record<string, SocketSpec>;
const NAMES = Object.keys(SOCKETS);
const TABLE = tableOf(Object.values(SOCKETS));

const owner = (pid: number, command: string): Owner => ({ pid, command, fd: 3 });
const OWNERS = new Map([
  [11, [owner(100, 'nginx')]],
  [12, [owner(100, 'nginx'), owner(101, 'worker')]],
  [14, []],
]);
const CONTEXT: FilterContext = {
  namespaceLabel: 'host',
  ownersOf: (inode) => OWNERS.get(inode),
  ageOf: (row) => [{ fromMs: 1000, toMs: 2000 }, { fromMs: 4000 }, { fromMs: 3000, toMs: 3000 }][row],
  isStuck: (row) => [false, true][row],
  cgroupIdOf: (path) => (path === '/web' ? 7n : undefined),
  interfaceIndexOf: (name) => (name === 'eth0' ? 3 : undefined),
  ephemeralPorts: [32_768, 60_999],
};

const matches = (text: string, context = CONTEXT) => {
  const test = compileFilter(parseFilter(text), context);
  return NAMES.filter((_, row) => test(TABLE, row)).join(' ');
};
const without = (...names: string[]) => NAMES.filter((name) => !names.includes(name)).join(' ');

describe('compileFilter', () => {
  it.each<[string, string]>([
    ['', NAMES.join(' ')],
    ['state close-wait', 'leak waiting'],
    ['exclude close-wait exclude established', 'six lingering listener bound'],
    ['state close-wait sport 80', 'waiting'],
    ['not state close-wait', without('leak', 'waiting')],
    // The kernel lists a bound socket without connection as CLOSE.
    ['state bound-inactive', 'bound'],
    ['not state bound-inactive', without('bound')],
    ['dst 10.0.2.46', 'web'],
    ['dst 10.0.0.0/14', 'web mapped waiting'],
    ['dst 10.0.0.1', 'mapped'],
    ['dst inet:10.0.0.0/8', 'web lingering waiting'],
    ['not dst inet:10.0.0.0/8', 'leak bound'],
    ['dst [::ffff:0:0/96]', 'mapped'],
    ['dst [2001:db8::/127]', ''],
    ['dst [2001:db8::2/127]', 'six'],
    ['src 0.0.0.0/0', without('six', 'listener')],
    ['src ::/0', 'mapped six listener'],
    ['sport > 443', 'six'],
    ['sport >= 443 sport <= 443', 'leak mapped lingering listener'],
    ['dport < 443', 'listener bound'],
    ['dport < inet6:443', 'listener'],
    ['dst 10.0.0.9:40006 or dport = 443', 'six waiting'],
    ['dev eth0', 'six'],
    ['dev != eth0', without('six')],
    ['dev 3', 'six'],
    ['dev nosuch', ''],
    ['dev != nosuch', NAMES.join(' ')],
    ['autobound', 'six'],
    ['recvq > 0', 'leak'],
    ['sendq > 64k', 'mapped'],
    ['orphan', 'six'],
    ['unaccepted', 'waiting'],
    ['netns host sport 81', 'bound'],
    ['netns other', ''],
    ['netns != other sport 81', 'bound'],
  ])('%s', (text, names) => {
    expect(matches(text)).toBe(names);
  });

  describe('what is not known matches neither a condition nor its negation', () => {
    it.each<[string, string]>([
      // Owners of the mapped and the bound socket could not be read; inode 0 has none.
      ['pid 100', 'web leak'],
      ['pid 101', 'leak'],
      ['pid != 101', without('leak', 'mapped', 'bound')],
      ['comm nginx', 'web leak'],
      ['comm w*r', 'leak'],
      ['comm != nginx', 'six lingering waiting listener'],
      ['not ( comm nginx or sport 80 )', 'six lingering listener'],
      ['age > 3s', 'leak'],
      ['age >= 1500ms', 'leak mapped'],
      ['age < 2500ms', 'web'],
      ['not age >= 1500ms', ''],
      ['age = 3s', 'mapped'],
      ['age != 3s', 'web leak'],
      ['stuck', 'leak'],
      ['not stuck', 'web'],
      ['fwmark 5', 'waiting'],
      ['fwmark 1/3', 'waiting'],
      ['fwmark 1', ''],
      ['fwmark != 1', 'waiting'],
      // Minisockets belong to no cgroup; of the others this table knows one.
      ['cgroup /web', 'waiting'],
      ['cgroup != /web', 'lingering'],
      ['cgroup != /none', NAMES.join(' ')],
    ])('%s', (text, names) => {
      expect(matches(text)).toBe(names);
    });

    it('holds for a context that offers nothing', () => {
      for (const text of [
        'pid 1 sport 81',
        'pid != 1 sport 81',
        'age > 1s',
        'not age > 1s',
        'stuck',
        'not stuck',
        'autobound',
      ]) {
        expect(matches(text, { namespaceLabel: 'host' }), text).toBe('');
      }
    });
  });

  it('names the rows worth reading more about', () => {
    const candidates = (text: string) => {
      const test = compileCandidates(parseFilter(text), { namespaceLabel: 'host' });
      return NAMES.filter((_, row) => test(TABLE, row)).join(' ');
    };
    expect(candidates('state close-wait comm nginx')).toBe('leak');
    expect(candidates('sport 80 not comm nginx')).toBe('web waiting');
    expect(candidates('age > 5m and recvq > 0 or orphan')).toBe('leak six');
    expect(candidates('not stuck dst inet:10.0.0.0/8')).toBe('web lingering waiting');
    expect(candidates('')).toBe(NAMES.join(' '));
  });
});
