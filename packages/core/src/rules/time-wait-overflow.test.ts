import { describe, expect, it } from 'vitest';
import type { NamespaceSnapshot } from '../snapshot.ts';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { findIn } from './shared/testing.ts';
import { timeWaitOverflow } from './time-wait-overflow.ts';

const counted = (first: number, second: number): Partial<NamespaceSnapshot> => ({
  counters: {
    first: new Map([['TcpExt.TCPTimeWaitOverflow', first]]),
    second: new Map([['TcpExt.TCPTimeWaitOverflow', second]]),
    elapsedMs: 500,
  },
});
const settings = { ...DEFAULT_SETTINGS, tcp_max_tw_buckets: 1_000 };

describe('time-wait-overflow finds', () => {
  it('connections that skip TIME_WAIT now', () => {
    const [finding] = findIn(timeWaitOverflow, [], { settings, sockstat: { 'TCP.tw': 1_000 }, ...counted(10, 14) });
    expect(finding.title).toBe('TIME_WAIT limit reached: 4 connections closed without it while lastack looked');
    expect(finding).toMatchObject({ blame: 'kernel-setting', severity: 'warning', count: 4 });
    expect(finding.remedies.at(-1)?.command).toBe('lastack tune set tcp_max_tw_buckets=2000');
  });

  it('room for what is turned away in the time that a TIME_WAIT lasts', () => {
    const [finding] = findIn(timeWaitOverflow, [], { settings, sockstat: { 'TCP.tw': 1_000 }, ...counted(10, 50) });
    // 40 in half a second are 4,800 in a minute, beside the 1,000 there are.
    expect(finding.remedies.at(-1)?.command).toBe('lastack tune set tcp_max_tw_buckets=5800');
  });

  it('a full table, even without a second read', () => {
    const [finding] = findIn(timeWaitOverflow, [], { settings, sockstat: { 'TCP.tw': 1_000 } });
    expect(finding).toMatchObject({ severity: 'notice', count: 1_000 });
  });
});

describe('time-wait-overflow stays silent', () => {
  const silent: [string, Partial<NamespaceSnapshot>][] = [
    ['below the limit', { settings, sockstat: { 'TCP.tw': 999 } }],
    ['overflows of long ago', { settings, sockstat: { 'TCP.tw': 5 }, ...counted(10_000, 10_000) }],
    ['nothing known', {}],
    ['no TIME_WAIT and no room for any', { settings: { tcp_max_tw_buckets: 0 }, sockstat: { 'TCP.tw': 0 } }],
  ];
  it.each(silent)('%s', (_, namespace) => {
    expect(findIn(timeWaitOverflow, [], namespace)).toEqual([]);
  });
});
