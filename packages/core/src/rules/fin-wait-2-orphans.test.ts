import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { SocketSpec } from '../testing.ts';
import { finWait2Orphans } from './fin-wait-2-orphans.ts';
import { findIn, listener, many } from './shared/testing.ts';

const mini = (index: number, more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT2,
  localPort: 443,
  remote: `10.0.${index % 7}.2`,
  inode: 0,
  timer: TimerCode.TIME_WAIT,
  expiresMs: 10_000 + index,
  ...more,
});

describe('fin-wait-2-orphans finds', () => {
  it('hundreds at one service, both phases together', () => {
    const sockets = [
      listener(443),
      ...many(600, (index) => mini(index)),
      ...many(100, (index) =>
        mini(index, { timer: TimerCode.KEEPALIVE, cgroupId: 7n, info: { lastAckReceivedMs: 100 } }),
      ),
    ];
    const [finding, ...rest] = findIn(finWait2Orphans, sockets);
    expect(rest).toEqual([]);
    expect(finding.title).toBe('700 connections in FIN_WAIT2 on :443 run down by the kernel: the peers do not close');
    expect(finding).toMatchObject({ blame: 'peer-app', severity: 'notice' });
    expect(finding.forecast.kind).toBe('at');
    expect(finding.evidence[0].value).toMatch(/^7: /);
    expect(finding.remedies[0].id).toBe('wait');
  });
});

describe('fin-wait-2-orphans stays silent', () => {
  const silent: [string, SocketSpec[]][] = [
    ['a hundred', many(100, (index) => mini(index))],
    ['hundreds, but spread over services', many(900, (index) => mini(index, { localPort: 1 + (index % 3) }))],
    ['hundreds that a program holds', many(900, (index) => mini(index, { timer: TimerCode.NONE, inode: 1 + index }))],
    ['hundreds in TIME_WAIT', many(900, (index) => mini(index, { state: TcpState.TIME_WAIT }))],
  ];
  it.each(silent)('%s', (_, sockets) => {
    expect(findIn(finWait2Orphans, [listener(443), listener(1), listener(2), listener(3), ...sockets])).toEqual([]);
  });

  it('hundreds whose other ends are visible in CLOSE_WAIT: reported there', () => {
    const near = many(600, (index) => mini(index, { localPort: 443, remote: '10.0.0.2', remotePort: 2_000 + index }));
    const far = many(600, (index) => ({
      state: TcpState.CLOSE_WAIT,
      local: '10.0.0.2',
      localPort: 2_000 + index,
      remote: '10.0.0.1',
      remotePort: 443,
      inode: 1 + index,
    }));
    expect(findIn(finWait2Orphans, [listener(443), ...near])).toHaveLength(1);
    expect(findIn(finWait2Orphans, [listener(443), ...near, ...far])).toEqual([]);
  });
});
