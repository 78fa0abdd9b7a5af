import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { SocketSpec } from '../testing.ts';
import { finWait1Immortal } from './fin-wait-1-immortal.ts';
import { findIn, listener } from './shared/testing.ts';

const immortal = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT1,
  localPort: 445,
  inode: 0,
  sendQueue: 1,
  timer: TimerCode.NONE,
  info: { lastAckReceivedMs: 3_600_000, unackedSegments: 1 },
  ...more,
});

describe('fin-wait-1-immortal finds', () => {
  it.each([
    ['FIN_WAIT1', TcpState.FIN_WAIT1],
    ['LAST_ACK', TcpState.LAST_ACK],
    ['CLOSING', TcpState.CLOSING],
  ])('a timerless orphan in %s', (name, state) => {
    const [finding] = findIn(finWait1Immortal, [listener(445), immortal({ state })]);
    expect(finding.title).toBe(`1 orphan in ${name} on :445 without any timer`);
    expect(finding.blame).toBe('kernel-setting');
    expect(finding.forecast.kind).toBe('never');
    expect(finding.cause).toContain('sockets that the kernel itself opened');
  });

  it('an emptied queue, which another cause leaves behind', () => {
    const [finding] = findIn(finWait1Immortal, [immortal({ info: { lastAckReceivedMs: 9_000, unackedSegments: 0 } })]);
    expect(finding.cause).toContain('emptied although bytes are owed');
  });
});

describe('fin-wait-1-immortal stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['its retransmit timer runs', immortal({ timer: TimerCode.RETRANSMIT })],
    ['its probe timer runs', immortal({ timer: TimerCode.ZERO_WINDOW_PROBE })],
    ['a program holds it', immortal({ inode: 4 })],
    ['an ACK came just now', immortal({ info: { lastAckReceivedMs: 300 } })],
    ['another state', immortal({ state: TcpState.CLOSE_WAIT })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(finWait1Immortal, [listener(445), socket])).toEqual([]);
  });
});
