import { describe, expect, it } from 'vitest';
import type { NamespaceSnapshot } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, namespaceOf, snapshotOf } from '../testing.ts';
import { orphanPressure } from './orphan-pressure.ts';
import { contextOf, findIn, listener, many } from './shared/testing.ts';

const settings = { ...DEFAULT_SETTINGS, tcp_max_orphans: 100 };
const orphans = many(60, () => ({ state: TcpState.FIN_WAIT1, localPort: 80, timer: TimerCode.RETRANSMIT, retries: 1 }));
const aborts = (first: number, second: number): Partial<NamespaceSnapshot> => ({
  counters: {
    first: new Map([['TcpExt.TCPAbortOnMemory', first]]),
    second: new Map([['TcpExt.TCPAbortOnMemory', second]]),
    elapsedMs: 500,
  },
});

describe('orphan-pressure finds', () => {
  it('a host near its limit, and where the orphans are', () => {
    const [finding] = findIn(orphanPressure, [listener(80), ...orphans], { settings, sockstat: { 'TCP.orphan': 60 } });
    expect(finding.title).toBe('60 orphaned connections on this host, the limit is 100');
    expect(finding).toMatchObject({ blame: 'kernel-setting', severity: 'warning', count: 60 });
    expect(finding.evidence).toContainEqual({ fact: 'orphans in FIN_WAIT1 on :80', value: '60', source: 'sock_diag' });
    expect(finding.sockets).toHaveLength(60);
  });

  it('connections that are being reset', () => {
    const [finding] = findIn(orphanPressure, [], { settings, sockstat: { 'TCP.orphan': 3 }, ...aborts(5, 9) });
    expect(finding).toMatchObject({ severity: 'critical', count: 4 });
  });
});

describe('orphan-pressure stays silent', () => {
  const silent: [string, Partial<NamespaceSnapshot>][] = [
    ['under half the limit', { settings, sockstat: { 'TCP.orphan': 49 } }],
    ['resets of long ago', { settings, sockstat: { 'TCP.orphan': 3 }, ...aborts(500, 500) }],
    ['nothing known', {}],
  ];
  it.each(silent)('%s', (_, namespace) => {
    expect(findIn(orphanPressure, [listener(80), ...orphans], namespace)).toEqual([]);
  });

  it('a second namespace of the same crowded host: the count is the host\u2019s', () => {
    const crowded = { settings, sockstat: { 'TCP.orphan': 90 } };
    const [first, second] = [namespaceOf([], crowded), namespaceOf([], { ...crowded, inode: 2 })];
    const context = contextOf(snapshotOf([first, second]));
    expect(orphanPressure.diagnose(first, [], context)).toHaveLength(1);
    expect(orphanPressure.diagnose(second, [], context)).toHaveLength(0);
  });
});
