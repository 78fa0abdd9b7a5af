import { describe, expect, it } from 'vitest';
import type { Finding } from '../finding.ts';
import { RULES } from '../rules/mod.ts';
import { contextOf, many } from '../rules/shared/testing.ts';
import { findSetting } from '../settings/catalogue.ts';
import { checkValue } from '../settings/check.ts';
import type { NamespaceSnapshot } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, namespaceOf, type SocketSpec, snapshotOf } from '../testing.ts';
import { adviseTuning, type TuningOptions } from './mod.ts';

/** What the doctor and then the adviser would say of these sockets. */
function advise(sockets: readonly SocketSpec[], overrides: Partial<NamespaceSnapshot> = {}, options?: TuningOptions) {
  const namespace = namespaceOf(sockets, overrides);
  const snapshot = snapshotOf([namespace]);
  const context = contextOf(snapshot);
  const findings: Finding[] = RULES.flatMap((rule) => {
    const rows = sockets.flatMap((socket, row) =>
      rule.states.includes(socket.state) && rule.candidate(namespace, row) ? [row] : [],
    );
    return rule.diagnose(namespace, rows, context);
  });
  return { ...adviseTuning(snapshot, findings, options), findings };
}

/** Retransmitting for a while to a silent peer. */
const blackholed = (state: number, inode: number) => (index: number) => ({
  state,
  inode,
  localPort: 40_000 + index,
  remotePort: 8080,
  remote: '10.0.0.9',
  timer: TimerCode.RETRANSMIT,
  retries: 5,
  expiresMs: 3000,
  sendQueue: 1,
  info: {
    rtoMs: 6400,
    backoff: 5,
    retransmits: 5,
    totalRto: 5,
    totalRtoRecoveries: 1,
    totalRtoTimeMs: 6000,
    lastAckReceivedMs: 9500,
    lastDataSentMs: 9500,
  },
});
const orphans = many(6, blackholed(TcpState.FIN_WAIT1, 0));
const held = many(6, blackholed(TcpState.FIN_WAIT1, 77));
const closeWait = many(20, (index) => ({
  state: TcpState.CLOSE_WAIT,
  inode: 100 + index,
  localPort: 80,
  receiveQueue: 1,
  info: { lastAckReceivedMs: 90_000, lastDataReceivedMs: 90_000 },
}));
const timeWait = many(20_000, (index) => ({
  state: TcpState.TIME_WAIT,
  localPort: 33_000 + index,
  remotePort: 443,
  expiresMs: 30_000,
}));

describe('advice on settings proposes', () => {
  it('a lower tcp_orphan_retries for orphans that nobody answers, with the forecast before and after', () => {
    const { proposals } = advise(orphans);
    const [proposal, ...more] = proposals;
    expect(more).toEqual([]);
    expect(proposal).toMatchObject({
      name: 'tcp_orphan_retries',
      before: '0',
      after: '3',
      rules: ['fin-wait-1-blackhole'],
      command: 'lastack tune set tcp_orphan_retries=3',
    });
    const [now, later] = proposal.effects;
    expect(now.what).toBe('these 6 sockets');
    // The limit has passed already: they go when their timers expire.
    expect(now.afterMs?.earliestMs).toBe(3000);
    expect(now.beforeMs?.earliestMs).toBeGreaterThan(80_000);
    // Lives measured on Linux 6.18: 106.6 s, and 6.6 to 6.8 s with three retries.
    expect(later.beforeMs?.latestMs).toBeGreaterThan(106_600);
    expect(later.afterMs?.earliestMs).toBeLessThan(6600);
    expect(later.afterMs?.latestMs).toBeGreaterThan(6800);
  });

  it('a lower tcp_retries2 for those that a program holds, never below what RFC 1122 asks for', () => {
    for (const profile of [undefined, 'server', 'proxy', 'client', 'database'] as const) {
      const { proposals } = advise(held, {}, { profile });
      expect(proposals.map(({ name }) => name)).toEqual(['tcp_retries2']);
      expect(Number(proposals[0].after)).toBeGreaterThanOrEqual(8);
    }
  });

  it('ports and their reuse where TIME_WAIT takes them, the reuse first for who connects', () => {
    const names = (options?: TuningOptions) => advise(timeWait, {}, options).proposals.map(({ name }) => name);
    expect(names()).toEqual(['ip_local_port_range', 'tcp_tw_reuse']);
    expect(names({ profile: 'proxy' })).toEqual(['tcp_tw_reuse', 'ip_local_port_range']);
    const [range] = advise(timeWait).proposals;
    expect(range.command).toBe("lastack tune set 'ip_local_port_range=15000 60999'");
    expect(range.effects[0]).toMatchObject({
      before: expect.stringContaining('28232'),
      after: expect.stringContaining('46000'),
    });
  });

  it('the default where a value does not do what it says', () => {
    const { proposals } = advise([], { settings: { ...DEFAULT_SETTINGS, tcp_fin_timeout: 90 } });
    expect(proposals).toMatchObject([{ name: 'tcp_fin_timeout', before: '90', after: '60', rules: [] }]);
  });

  it('only values that may be set as they stand', () => {
    for (const sockets of [orphans, held, timeWait]) {
      for (const { name, after } of advise(sockets).proposals) {
        expect(checkValue(findSetting(name)!, after, DEFAULT_SETTINGS)).toMatchObject({ ok: true });
      }
    }
  });

  it('where the finding is', () => {
    const elsewhere = { label: 'blue', enterPath: '/run/netns/blue' };
    expect(advise(orphans, elsewhere).proposals[0].command).toBe('lastack tune set tcp_orphan_retries=3 --netns blue');
  });
});

describe('advice on settings stays silent', () => {
  it('on a host without findings, whatever it is for', () => {
    for (const profile of [undefined, 'server', 'proxy', 'client', 'database'] as const) {
      const sockets = many(50, () => ({ state: TcpState.ESTABLISHED, inode: 5, localPort: 80 }));
      expect(advise(sockets, {}, { profile })).toMatchObject({ proposals: [], unhelped: [] });
    }
  });

  it('on settings that are changed and do what they say', () => {
    const settings = {
      ...DEFAULT_SETTINGS,
      tcp_fin_timeout: 20,
      tcp_retries2: 8,
      tcp_orphan_retries: 2,
      tcp_tw_reuse: 1,
    };
    expect(advise([], { settings })).toMatchObject({ proposals: [], unhelped: [] });
  });

  it('where no setting ends a state, and says so', () => {
    const { proposals, unhelped, findings } = advise(closeWait);
    expect(findings.length).toBeGreaterThan(0);
    expect(proposals).toEqual([]);
    expect(unhelped[0].because).toMatch(/no setting ends CLOSE_WAIT/);
  });

  it('where the setting is as low already', () => {
    const settings = { ...DEFAULT_SETTINGS, tcp_orphan_retries: 3 };
    const { proposals, unhelped } = advise(orphans, { settings });
    expect(proposals).toEqual([]);
    expect(unhelped[0]?.because).toMatch(/tcp_orphan_retries would not end it sooner/);
  });

  it('about findings that were not asked for', () => {
    expect(advise(orphans, {}, { rule: 'time-wait-overflow' })).toMatchObject({ proposals: [], unhelped: [] });
  });
});
