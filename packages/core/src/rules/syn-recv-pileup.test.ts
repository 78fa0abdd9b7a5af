import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { SocketSpec } from '../testing.ts';
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
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'critical' });
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

describe('syn-recv-pileup stays silent', () => {
  const silent: [string, SocketSpec[]][] = [
    ['a few', many(40, (index) => halfOpen(index))],
    ['many for a large backlog', [listener(80, { sendQueue: 4096 }), ...many(500, (index) => halfOpen(index))]],
    ['many that were only just asked', [listener(80), ...many(100, (index) => halfOpen(index, { retries: 0 }))]],
  ];
  it.each(silent)('%s', (_, sockets) => {
    expect(findIn(synRecvPileup, sockets)).toEqual([]);
  });
});
