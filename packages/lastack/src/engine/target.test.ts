import { describe, expect, it } from 'vitest';
import { Exit, UserError } from '../effects.ts';
import { canonicalAddress, parseTarget, type Target, targetText } from './target.ts';

const pair = (one: string, onePort: number, other: string, otherPort: number): Target => ({
  kind: 'connection',
  one: { address: one, port: onePort },
  other: { address: other, port: otherPort },
});
const here = pair('10.0.0.153', 4000, '10.0.2.46', 2572);

describe('parseTarget', () => {
  it.each<[string, Target]>([
    ['10.0.0.153:4000-10.0.2.46:2572', here],
    ['10.0.0.153:4000 → 10.0.2.46:2572', here],
    ['10.0.0.153:4000→10.0.2.46:2572', here],
    ['10.0.0.153:4000->10.0.2.46:2572', here],
    ['10.0.0.153:4000 -> 10.0.2.46:2572', here],
    ['10.0.0.153:4000 10.0.2.46:2572', here],
    ['10.0.0.153:4000 - 10.0.2.46:2572', here],
    ['[::ffff:10.0.0.153]:4000-[::ffff:10.0.2.46]:2572', here],
    ['[2001:db8::1]:443-[2001:DB8:0::2]:51000', pair('2001:db8::1', 443, '2001:db8::2', 51_000)],
    ['[fe80::1%eth0]:22 → [fe80::2%eth0]:40000', pair('fe80::1', 22, 'fe80::2', 40_000)],
    // ss -tanpo
    ['FIN-WAIT-1 0      1          10.0.0.153:4000      10.0.2.46:2572  timer:(on,1min4sec,9)', here],
    [
      'CLOSE-WAIT 1      0      [::ffff:10.0.0.153]:4000   [::ffff:10.0.2.46]:2572  users:(("node",pid=812,fd=23))',
      here,
    ],
    ['ESTAB 0 0 10.0.0.153%eth0:4000 10.0.2.46:2572', here],
    // ss -tane
    [
      'CLOSE-WAIT 1 0 10.0.0.153:4000 10.0.2.46:2572 ino:33170 sk:1001 cgroup:/user.slice -->',
      { kind: 'cookie', cookie: 0x1001n },
    ],
    // netstat -tanpo
    [
      'tcp        0      1 10.0.0.153:4000         10.0.2.46:2572          FIN_WAIT1   -                    on (1.2/7/0)',
      here,
    ],
    ['tcp6       0      0 fe80::1:22   fe80::2:40000   ESTABLISHED 812/sshd', pair('fe80::1', 22, 'fe80::2', 40_000)],
    // macOS netstat -an
    ['tcp4       0      0  10.0.0.153.4000        10.0.2.46.2572         FIN_WAIT_1', here],
    [':4000', { kind: 'port', port: 4000 }],
    ['*:4000', { kind: 'port', port: 4000 }],
    ['LISTEN 0 511 *:4000 *:*', { kind: 'port', port: 4000 }],
    ['LISTEN 0 128 0.0.0.0:22 0.0.0.0:*', { kind: 'endpoint', address: '0.0.0.0', port: 22 }],
    ['10.0.2.46:2572', { kind: 'endpoint', address: '10.0.2.46', port: 2572 }],
    ['[::1]:80', { kind: 'endpoint', address: '::1', port: 80 }],
    [':::80', { kind: 'endpoint', address: '::', port: 80 }],
    ['cookie:1a2b', { kind: 'cookie', cookie: 0x1a2bn }],
    ['sk:1a2b', { kind: 'cookie', cookie: 0x1a2bn }],
    ['cookie:0xFFFFFFFFFFFFFFFF', { kind: 'cookie', cookie: (1n << 64n) - 1n }],
    ['pid:1581 fd:7', { kind: 'process', pid: 1581, fd: 7 }],
    ['pid=1581,fd=7', { kind: 'process', pid: 1581, fd: 7 }],
    ['pid:1581', { kind: 'process', pid: 1581 }],
  ])('%s', (text, expected) => {
    expect(parseTarget(text)).toEqual(expected);
    expect(parseTarget(text.split(' '))).toEqual(expected);
    expect(targetText(expected)).toMatch(/^a (?:connection|socket|TCP socket) /);
  });

  it.each([
    '',
    'nonsense',
    '10.0.0.1',
    '10.0.0.1:70000',
    '10.0.0.300:80',
    '10.0.0.1:80 and something',
    '10.0.0.1:1-10.0.0.2:2 10.0.0.3:3',
    ':*',
    'cookie:xyz',
    'cookie:12345678901234567',
    'pid:12 fd:x',
    'pid:',
    'fd:7',
    '-',
  ])('refuses %j in one line that says what is accepted', (text) => {
    try {
      parseTarget(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      const { message, exitCode } = error as UserError;
      expect(exitCode).toBe(Exit.USAGE);
      expect(message).toContain(`'${text}'`);
      expect(message).toContain('pid:1581 fd:7');
      expect(message).not.toContain('\n');
    }
  });

  it('keeps control characters of what was given from the terminal', () => {
    expect(() => parseTarget('\u001b[2Jx')).toThrow("'\\x1b[2Jx'");
  });
});

describe('canonicalAddress', () => {
  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:0a00:0001', '10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3', undefined],
    ['::g', undefined],
  ])('%s', (text, expected) => expect(canonicalAddress(text)).toBe(expected));
});
