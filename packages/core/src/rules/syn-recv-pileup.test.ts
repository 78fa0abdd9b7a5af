import { describe, expect, it } from 'vitest';
import type { Settings } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, type SocketSpec } from '../testing.ts';
import { findIn, listener, many } from './shared/testing.ts';
import { synRecvPileup } from './syn-recv-pileup.ts';

const halfOpen = (index: number, more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.SYN_RECV,
  localPort: 80,
  remote: `10.1.0.${index % 250}`,
  remotePort: 10_000 + index,
  inode: 0,
  timer: TimerCode.RETRANSMIT,
  retries: 1,
  expiresMs: 1_000,
  ...more,
});

describe('syn-recv-pileup finds', () => {
  it('many sources that do not answer: nobody here is at fault', () => {
    const [finding] = findIn(synRecvPileup, [listener(80), ...many(100, (index) => halfOpen(index))]);
    expect(finding.title).toBe('100 half-open connections in SYN_RECV on :80');
    expect(finding).toMatchObject({ blame: 'nobody', severity: 'warning', count: 100 });
    expect(finding.forecast.kind).toBe('at');
  });

  it('a few sources: lost on the way', () => {
    const sockets = many(130, (index) => halfOpen(index, { remote: `10.1.0.${index % 3}` }));
    const [finding] = findIn(synRecvPileup, [listener(80), ...sockets]);
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'warning' });
    expect(finding.wouldTell).toContain('capture');
  });

  it('a full accept queue: the program', () => {
    const [finding] = findIn(synRecvPileup, [
      listener(80, { receiveQueue: 129 }),
      ...many(70, (index) => halfOpen(index)),
    ]);
    expect(finding).toMatchObject({ blame: 'local-app', severity: 'critical' });
  });
});

// Measured with 500 SYNs from forged sources on Linux 6.18, a real client coming after them. Backlog, tcp_max_syn_backlog
// and tcp_syncookies; how many were kept; whether the client connected.
describe('new clients of a full queue', () => {
  const measured: [backlog: number, synBacklog: number, cookies: number, kept: number, connects: boolean][] = [
    [300, 64, 1, 301, true],
    [300, 64, 0, 49, false],
    [100, 2048, 0, 101, false],
    [100, 2048, 1, 101, true],
    [100, 100, 0, 76, false],
    [400, 1000, 0, 401, false],
  ];
  const found = (kept: number, backlog: number, settings: Settings, sources = 250) =>
    findIn(
      synRecvPileup,
      [
        listener(80, { sendQueue: backlog }),
        ...many(kept, (index) => halfOpen(index, { remote: `10.1.0.${index % sources}` })),
      ],
      { settings: { ...DEFAULT_SETTINGS, ...settings } },
    );

  it.each(measured)(
    'backlog %i, tcp_max_syn_backlog %i, tcp_syncookies %i',
    (backlog, most, cookies, kept, connects) => {
      const settings = { tcp_max_syn_backlog: most, tcp_syncookies: cookies };
      const [finding] = found(kept, backlog, settings);
      expect(finding.severity).toBe(connects ? 'warning' : 'critical');
      expect(finding.cause).toContain(connects ? 'new clients still connect, by cookies' : 'they cannot connect');
      const advised = finding.remedies.flatMap(({ setting }) => setting ?? []);
      expect(advised).toEqual(connects ? [] : [{ name: 'tcp_syncookies', value: '1' }]);
      expect(finding.evidence.map(({ fact }) => fact)).toContain('tcp_syncookies');
    },
  );

  it('without cookies only hosts that had no connection before are refused by tcp_max_syn_backlog, all by the backlog', () => {
    const [bySetting] = found(49, 300, { tcp_max_syn_backlog: 64, tcp_syncookies: 0 });
    expect(bySetting.cause).toContain('hosts that had no connection before');
    expect(JSON.stringify(bySetting.evidence)).toContain('49 of 49 (three quarters of tcp_max_syn_backlog 64');
    const [byBacklog] = found(101, 100, { tcp_max_syn_backlog: 2048, tcp_syncookies: 0 });
    expect(byBacklog.cause).toContain('all new clients');
  });

  it('where no flood filled it, tcp_max_syn_backlog may be raised to what the backlog admits', () => {
    const [finding] = found(49, 300, { tcp_max_syn_backlog: 64, tcp_syncookies: 0 }, 3);
    const advised = finding.remedies.flatMap(({ setting }) => setting ?? []);
    expect(advised).toContainEqual({ name: 'tcp_max_syn_backlog', value: '400' });
  });

  it('below the limit they connect either way, and without cookies the finding says until when', () => {
    const [off] = found(70, 100, { tcp_max_syn_backlog: 2048, tcp_syncookies: 0 });
    expect(off).toMatchObject({ severity: 'warning' });
    expect(off.cause).toContain('beside 100 half-open connections the SYNs of all new clients are dropped');
    const [on] = found(70, 100, { tcp_max_syn_backlog: 2048, tcp_syncookies: 1 });
    expect(on.cause).toContain('even when the queue is full');
  });

  // Measured with a backlog of 100 and 101 half-open connections: 7 s after the SYNs 51 of them were gone, the others after
  // a minute. With a backlog of 300 and 49 of them nothing was gone at 7 s.
  it('of a crowded queue some go after two repetitions', () => {
    const [crowded] = found(101, 100, { tcp_syncookies: 1 });
    expect(crowded.forecast.earliestMs).toBeLessThanOrEqual(5_000);
    expect(crowded.forecast.latestMs).toBeGreaterThan(60_000);
    const [half] = found(64, 128, { tcp_syncookies: 1 });
    expect(half.forecast.earliestMs).toBeGreaterThan(55_000);
  });

  it('nothing is said where the setting is not known', () => {
    const [finding] = found(101, 100, { tcp_max_syn_backlog: 2048 });
    expect(finding.cause).not.toContain('new clients');
    expect(finding.severity).toBe('warning');
  });
});

describe('syn-recv-pileup stays silent', () => {
  const silent: [string, SocketSpec[]][] = [
    ['a few', many(40, (index) => halfOpen(index))],
    ['many for a listener that is not seen', many(70, (index) => halfOpen(index))],
    ['many for a large backlog', [listener(80, { sendQueue: 4096 }), ...many(500, (index) => halfOpen(index))]],
    ['many that were only just asked', [listener(80), ...many(100, (index) => halfOpen(index, { retries: 0 }))]],
  ];
  it.each(silent)('%s', (_, sockets) => {
    expect(findIn(synRecvPileup, sockets)).toEqual([]);
  });
});
