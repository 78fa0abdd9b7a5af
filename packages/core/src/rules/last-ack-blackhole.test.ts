import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { lastAckBlackhole } from './last-ack-blackhole.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const stalled = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.LAST_ACK,
  localPort: 8080,
  inode: 0,
  sendQueue: 1,
  timer: TimerCode.RETRANSMIT,
  retries: 7,
  expiresMs: 5_000,
  info: { retransmits: 7, backoff: 7, rtoMs: 25_600, unackedSegments: 1, lastAckReceivedMs: 50_000 },
  ...more,
});

describe('last-ack-blackhole finds', () => {
  it('orphans that get no acknowledgement', () => {
    const sockets = [listener(8080), ...many(8, (index) => stalled({ remotePort: 5000 + index }))];
    const [finding, ...rest] = findIn(lastAckBlackhole, sockets);
    expect(rest).toEqual([]);
    expect(finding.title).toBe('8 connections in LAST_ACK on :8080: no answer to the last FIN (left by their program)');
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'notice', count: 8 });
    expect(finding.forecast.kind).toBe('at');
    expect(finding.remedies.find(({ id }) => id === 'drop')?.command).toMatch(/^lastack clear /);
  });

  it('one that a program still holds', () => {
    const [finding] = runRule(lastAckBlackhole, [namespaceOf([stalled({ inode: 100, retries: 3 })])], {
      owners: heldBy([100]),
    });
    expect(finding.title).toContain('node (pid 812)');
  });

  it('the dead host behind it', () => {
    const paths = new Map([['10.0.0.2', { route: 'on-link', device: 'eth0', neighbour: 'FAILED' } as const]]);
    expect(findIn(lastAckBlackhole, [stalled()], { paths })[0].blame).toBe('peer-host');
  });
});

describe('last-ack-blackhole stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['the first retransmissions', stalled({ retries: 2 })],
    ['a lone orphan that the kernel soon drops', stalled({ retries: 4 })],
    ['no timer', stalled({ timer: TimerCode.NONE, retries: 0 })],
    ['a shut window', stalled({ timer: TimerCode.ZERO_WINDOW_PROBE, retries: 0 })],
    ['another state', stalled({ state: TcpState.FIN_WAIT1 })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(lastAckBlackhole, [listener(8080), socket])).toEqual([]);
  });
});
