import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TcpState } from '@lastack/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { observationOf, observedNamespace } from '../cli/render/report_testing.ts';
import type { Effects } from '../effects.ts';
import { parseTarget } from './target.ts';
import { findMatches } from './why_matches.ts';

const host = observedNamespace('host', [
  { state: TcpState.LISTEN, local: '0.0.0.0:4000', remote: '0.0.0.0:0', inode: 1 },
  { state: TcpState.TIME_WAIT, local: '10.0.0.1:4000', remote: '10.0.0.9:1', timer: 3 },
  { state: TcpState.CLOSE_WAIT, local: '[::ffff:a00:1]:4000', remote: '[::ffff:a00:2]:2572', inode: 2, cookie: 0x1a2b },
  { state: TcpState.ESTABLISHED, local: '10.0.0.1:5000', remote: '10.0.0.3:4000', inode: 3 },
]);
const blue = observedNamespace('blue', [
  { state: TcpState.FIN_WAIT2, local: '10.0.0.2:2572', remote: '10.0.0.1:4000', inode: 4, cookie: 0x2222 },
  { state: TcpState.LISTEN, local: '0.0.0.0:9000', remote: '0.0.0.0:0', inode: 5 },
]);
const observation = observationOf([host, blue]);

let procRoot: string;
beforeAll(() => {
  procRoot = mkdtempSync(path.join(tmpdir(), 'lastack-why-'));
  mkdirSync(path.join(procRoot, '77/fd'), { recursive: true });
  symlinkSync('socket:[2]', path.join(procRoot, '77/fd/3'));
  symlinkSync('socket:[3]', path.join(procRoot, '77/fd/4'));
  symlinkSync('/dev/null', path.join(procRoot, '77/fd/5'));
});
afterAll(() => rmSync(procRoot, { recursive: true }));

function found(target: string): string[] {
  return findMatches({ procRoot } as Effects, observation, parseTarget(target)).map(({ here, peer }) =>
    [here, peer].flatMap((ref) => (ref ? [`${ref.namespace.label}/${ref.row}`] : [])).join('+'),
  );
}

describe('findMatches', () => {
  it.each([
    // The end that was written first is "here", also where the socket is IPv6 for an IPv4 connection.
    ['10.0.0.1:4000-10.0.0.2:2572', ['host/2+blue/0']],
    ['10.0.0.2:2572-10.0.0.1:4000', ['blue/0+host/2']],
    ['cookie:1a2b', ['host/2+blue/0']],
    ['cookie:2222', ['blue/0+host/2']],
    ['10.0.0.2:2572', ['blue/0+host/2']],
    // Listeners do not count beside connections; what is on its way out comes last.
    [':4000', ['host/2+blue/0', 'host/3', 'host/1']],
    [':9000', ['blue/1']],
    ['pid:77', ['host/2+blue/0', 'host/3']],
    ['pid:77 fd:4', ['host/3']],
    ['pid:77 fd:5', []],
    ['10.0.0.1:4000-10.0.0.2:9', []],
    ['cookie:ffff', []],
  ])('%s', (target, expected) => expect(found(target)).toEqual(expected));

  it('says that a process does not exist', () => {
    expect(() => found('pid:78')).toThrow('there is no process 78');
  });
});
