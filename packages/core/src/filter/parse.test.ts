import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_STATES } from '../tcp/parse_state.ts';
import { TcpState } from '../tcp/states.ts';
import type { FilterNode } from './ast.ts';
import { FilterError } from './filter_error.ts';
import { parseFilter } from './parse.ts';

const services = new Map([
  ['http', 80],
  ['https', 443],
  ['ssh', 22],
]);
const read = (text: string | string[]) => parseFilter(text, { services });
const expression = (text: string) => read(text).expression;
const bit = (state: number) => 1 << state;
const remote = (port: number): FilterNode => ({ type: 'host', side: 'remote', port });
const local = (port: number): FilterNode => ({ type: 'host', side: 'local', port });
const v4 = (address: number[], prefixBits = 32, port?: number): FilterNode =>
  port === undefined
    ? { type: 'host', side: 'remote', address, prefixBits }
    : { type: 'host', side: 'remote', address, prefixBits, port };
const loopback6 = [...new Array(15).fill(0), 1];
const not = (of: FilterNode): FilterNode => ({ type: 'not', of });

describe('hosts and ports', () => {
  it.each<[string, FilterNode]>([
    ['dst 10.0.2.46', v4([10, 0, 2, 46])],
    ['dst = 10.0.2.46', v4([10, 0, 2, 46])],
    ['dst eq 10.0.2.46', v4([10, 0, 2, 46])],
    ['dst != 10.0.2.46', not(v4([10, 0, 2, 46]))],
    ['dst 10.0.0.0/8:443', v4([10, 0, 0, 0], 8, 443)],
    ['dst 10/8', v4([10, 0, 0, 0], 8)],
    ['dst 193.233.7/24', v4([193, 233, 7, 0], 24)],
    ['dst 0x0a.010', v4([10, 8, 0, 0])],
    ['dst 10.0.0.0/255.0.0.0', v4([10, 0, 0, 0], 8)],
    ['dst 10.0.0.1:', v4([10, 0, 0, 1])],
    ['dst 10.0.0.1:*', v4([10, 0, 0, 1])],
    ['dst [::1]:443', { type: 'host', side: 'remote', address: loopback6, prefixBits: 128, port: 443 }],
    ['dst [::1]', { type: 'host', side: 'remote', address: loopback6, prefixBits: 128 }],
    ['dst ::1', { type: 'host', side: 'remote', address: loopback6, prefixBits: 128 }],
    ['dst ::1:443', { type: 'host', side: 'remote', address: loopback6, prefixBits: 128, port: 443 }],
    ['dst [::/0]:443', { type: 'host', side: 'remote', address: new Array(16).fill(0), prefixBits: 0, port: 443 }],
    ['dst [::]/0:443', { type: 'host', side: 'remote', address: new Array(16).fill(0), prefixBits: 0, port: 443 }],
    ['dst ::/0', { type: 'host', side: 'remote', address: new Array(16).fill(0), prefixBits: 0 }],
    ['dst default', { type: 'host', side: 'remote' }],
    ['dst *', { type: 'host', side: 'remote' }],
    ['dst any', { type: 'host', side: 'remote' }],
    ['dst *:443', remote(443)],
    ['dst :http', remote(80)],
    ['dport https', remote(443)],
    ['dport = :2572', remote(2572)],
    ['dport=:2572', remote(2572)],
    ['dport == 0x50', remote(80)],
    ['dport 010', remote(8)],
    ['sport :80', local(80)],
    ['sport = *', { type: 'host', side: 'local' }],
    ['sport ne 22', not(local(22))],
    ['dport gt 1024', { type: 'port', side: 'remote', comparison: '>', port: 1024 }],
    ['dport>=:1024', { type: 'port', side: 'remote', comparison: '>=', port: 1024 }],
    ['sport leq :ssh', { type: 'port', side: 'local', comparison: '<=', port: 22 }],
    ['sport lt 0', { type: 'port', side: 'local', comparison: '<', port: 0 }],
    ['src inet:10.0.0.1', { type: 'host', side: 'local', family: 4, address: [10, 0, 0, 1], prefixBits: 32 }],
    ['dport = inet6::443', { type: 'host', side: 'remote', family: 6, port: 443 }],
  ])('%s', (text, node) => {
    expect(expression(text)).toEqual(node);
  });

  it('restricts the whole filter to the one family it names', () => {
    expect(read('not dst inet:10.0.0.1').family).toBe(4);
    expect(read('dst inet6:[::1] or sport 80').family).toBe(6);
    expect(read('dst inet6:[::1] or dst inet:10.0.0.1').family).toBeUndefined();
  });
});

describe('other conditions', () => {
  it.each<[string, FilterNode]>([
    ['dev eth0', { type: 'device', device: 'eth0' }],
    ['dev != 3', not({ type: 'device', device: 3 })],
    ['fwmark = 0x1/0xff', { type: 'mark', mark: 1, mask: 255 }],
    ['fwmark 7', { type: 'mark', mark: 7, mask: 0xffffffff }],
    ['cgroup = /sys/fs/cgroup/a=b', { type: 'cgroup', path: '/sys/fs/cgroup/a=b' }],
    ['autobound', { type: 'autobound' }],
    ['pid 12', { type: 'pid', comparison: '=', value: 12 }],
    ['pid != 12', not({ type: 'pid', comparison: '=', value: 12 })],
    ['comm nginx', { type: 'comm', text: 'nginx' }],
    ['comm "my prog"', { type: 'comm', text: 'my prog' }],
    ['comm my\\ prog', { type: 'comm', text: 'my prog' }],
    ['(comm (sd-pam))', { type: 'comm', text: '(sd-pam)' }],
    ['netns web', { type: 'netns', text: 'web' }],
    ['age >= 5m', { type: 'age', comparison: '>=', value: 300_000 }],
    ['age>1h30m', { type: 'age', comparison: '>', value: 5_400_000 }],
    ['age < 500ms', { type: 'age', comparison: '<', value: 500 }],
    ['age > 90', { type: 'age', comparison: '>', value: 90_000 }],
    ['recvq > 0', { type: 'recvq', comparison: '>', value: 0 }],
    ['sendq >= 64k', { type: 'sendq', comparison: '>=', value: 65_536 }],
    ['sendq >= 1.5M', { type: 'sendq', comparison: '>=', value: 1_572_864 }],
    ['orphan', { type: 'orphan' }],
    ['STUCK', { type: 'stuck' }],
  ])('%s', (text, node) => {
    expect(expression(text)).toEqual(node);
  });
});

describe('state clauses', () => {
  it.each<[string, number]>([
    ['state close-wait', bit(TcpState.CLOSE_WAIT)],
    ['state CLOSE_WAIT state FIN_WAIT_1', bit(TcpState.CLOSE_WAIT) | bit(TcpState.FIN_WAIT1)],
    ['state close-wait,fin-wait-1', bit(TcpState.CLOSE_WAIT) | bit(TcpState.FIN_WAIT1)],
    ['exclude listening', ALL_STATES & ~bit(TcpState.LISTEN)],
    ['excl listening exclude established', ALL_STATES & ~bit(TcpState.LISTEN) & ~bit(TcpState.ESTABLISHED)],
    ['exclude established state established', ALL_STATES],
    ['state established exclude established', 0],
  ])('%s', (text, states) => {
    expect(read(text)).toMatchObject({ states });
    expect(read(text).expression).toBeUndefined();
  });

  it('come before the expression, with or without `and`', () => {
    const both = { states: bit(TcpState.CLOSE_WAIT), expression: remote(80) };
    expect(read('state close-wait dport = :80')).toMatchObject(both);
    expect(read('state close-wait and dport = :80')).toMatchObject(both);
    expect(read(['state', 'close-wait', '( dport = :80 )'])).toMatchObject(both);
  });

  it('are ordinary conditions inside an expression', () => {
    const state = (mask: number): FilterNode => ({ type: 'state', mask });
    expect(expression('state listening or dport 80')).toEqual({
      type: 'or',
      of: [state(bit(TcpState.LISTEN)), remote(80)],
    });
    expect(read('state listening or dport 80').states).toBeUndefined();
    expect(expression('dport 80 not state listening')).toEqual({
      type: 'and',
      of: [remote(80), not(state(bit(TcpState.LISTEN)))],
    });
  });
});

describe('operators', () => {
  it.each<[string, FilterNode]>([
    ['dport 1 and dport 2', { type: 'and', of: [remote(1), remote(2)] }],
    ['dport 1 & dport 2 && dport 3', { type: 'and', of: [remote(1), remote(2), remote(3)] }],
    ['dport 1 dport 2', { type: 'and', of: [remote(1), remote(2)] }],
    ['dport 1 | dport 2 || dport 3', { type: 'or', of: [remote(1), remote(2), remote(3)] }],
    ['not dport 1 dport 2', { type: 'and', of: [not(remote(1)), remote(2)] }],
    ['! ! dport 1', remote(1)],
    ['!(dport 1||dport 2)', not({ type: 'or', of: [remote(1), remote(2)] })],
    ['\\( dport 1 \\)', remote(1)],
    // One precedence, from left to right: what ss 6.1 does, against its manual.
    ['dport 1 or dport 2 and dport 3', { type: 'and', of: [{ type: 'or', of: [remote(1), remote(2)] }, remote(3)] }],
    ['dport 1 or dport 2 dport 3', { type: 'and', of: [{ type: 'or', of: [remote(1), remote(2)] }, remote(3)] }],
    ['dport 1 dport 2 or dport 3', { type: 'or', of: [{ type: 'and', of: [remote(1), remote(2)] }, remote(3)] }],
    ['dport 1 or ( dport 2 dport 3 )', { type: 'or', of: [remote(1), { type: 'and', of: [remote(2), remote(3)] }] }],
  ])('%s', (text, node) => {
    expect(expression(text)).toEqual(node);
  });

  it('notes where the order of `or` and `and` may surprise', () => {
    expect(read('dport 1 or dport 2 and dport 3').notes).toHaveLength(1);
    expect(read('dport 1 or ( dport 2 and dport 3 )').notes).toHaveLength(0);
    expect(read('dport 1 and dport 2 or dport 3').notes).toHaveLength(0);
  });

  it('takes the empty filter as every socket', () => {
    expect(read('')).toEqual({ notes: [] });
    expect(read([])).toEqual({ notes: [] });
  });
});

describe('errors', () => {
  const errorOf = (text: string): FilterError => {
    try {
      read(text);
    } catch (error) {
      if (error instanceof FilterError) return error;
      throw error;
    }
    throw new Error(`no error for ${text}`);
  };

  it.each<[text: string, at: number, message: RegExp, suggestion?: string]>([
    ['close-wait', 0, /is a state/, 'state close-wait'],
    ['dport = :80 CLOSE_WAIT', 12, /is a state/, 'state CLOSE_WAIT'],
    ['dprot = :80', 0, /no condition `dprot`/, 'dport'],
    ['orphans', 0, /no condition/, 'orphan'],
    ['state close-wiat', 6, /no state `close-wiat`/, 'close-wait'],
    ['state FIN_WAIT_3', 6, /no state/, 'fin-wait-1'],
    ['state', 5, /a state is missing/],
    ['clsoe-wait', 0, /no condition/, 'state close-wait'],
    ['dst', 3, /`dst` needs an address/],
    ['dst example.com', 4, /host names are not resolved/],
    ['dst example.com:80', 4, /host names are not resolved/],
    ['dst 10.0.0.256', 4, /no address/],
    ['dst 10.0.0.0/33', 13, /0 to 32 bits/],
    ['dst [::1', 4, /bracket/],
    ['dst [::1]x', 4, /bracket/],
    ['dst inet6:10.0.0.1', 10, /no IPv6 address/],
    ['dst unix:/tmp/x', 4, /only TCP/],
    ['dst [fe80::1%eth0]', 5, /zone/],
    ['dport = :htps', 9, /neither a port nor a known service/, 'https'],
    ['dport = :70000', 9, /0 to 65535/],
    ['dport >= *', 9, /wildcard/],
    ['dport', 5, /needs a port/],
    ['src > 10.0.0.1', 4, /cannot be compared with `>`/],
    ['age 5m', 4, /needs a comparison/],
    ['age > 5y', 6, /not a time/],
    ['recvq > lots', 8, /not a number of bytes/],
    ['pid nginx', 4, /not a process id/],
    ['fwmark 1/2/3', 7, /not a mark/],
    ['comm', 4, /needs a program name/],
    ['comm ""', 5, /cannot be empty/],
    ['comm "x', 5, /no partner/],
    ['( dport 80', 10, /still open/],
    ['dport 80 )', 9, /never opened/],
    ['()', 1, /condition is missing before `\)`/],
    ['and dport 80', 0, /condition is missing before `and`/],
    ['dport 80 or or dport 81', 12, /condition is missing before `or`/],
    ['dport 80 and', 12, /condition is missing/],
    ['dport 80 :443', 9, /no condition/, 'dport = :443'],
    ['10.0.0.1', 0, /no condition/, 'dst 10.0.0.1'],
    ['dport:80', 0, /no condition/, 'dport :80'],
    ['('.repeat(200), 100, /too many parentheses/],
  ])('%s', (text, at, message, suggestion) => {
    const error = errorOf(text);
    expect(error.message).toMatch(message);
    expect([error.at, error.suggestion]).toEqual([at, suggestion]);
    expect(error.text).toBe(text);
  });

  it('are the only way a filter can fail', () => {
    const words = fc.constantFrom(
      ...'state exclude close-wait dst src dport >= = ! not ( ) or and :80 10/8 [::1] * comm " \\ pid age 5m 1k'.split(
        ' ',
      ),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(words, fc.string({ maxLength: 3 }))).map((all) => all.join(' ')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          parseFilter(input, { services });
        } catch (error) {
          expect(error).toBeInstanceOf(FilterError);
          const { at, length } = error as FilterError;
          expect(at + length).toBeLessThanOrEqual(input.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('reads a chain of ten thousand conditions without exhausting the stack', () => {
    const long = Array.from({ length: 10_000 }, (_, port) => `dport = :${port}`).join(' or ');
    expect(expression(long)).toMatchObject({ type: 'or' });
    expect(expression(`${'! '.repeat(10_001)}dport 1`)).toEqual(not(remote(1)));
  });
});
