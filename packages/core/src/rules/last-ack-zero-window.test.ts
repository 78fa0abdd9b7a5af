import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { SocketSpec } from '../testing.ts';
import { lastAckZeroWindow } from './last-ack-zero-window.ts';
import { findIn, listener } from './shared/testing.ts';

const shut = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.LAST_ACK,
  localPort: 8080,
  inode: 0,
  sendQueue: 5_001,
  timer: TimerCode.ZERO_WINDOW_PROBE,
  info: { backoff: 6, rtoMs: 200, lastAckReceivedMs: 1_000 },
  ...more,
});

describe('last-ack-zero-window finds', () => {
  it.each([
    ['LAST_ACK', TcpState.LAST_ACK],
    ['CLOSING', TcpState.CLOSING],
  ])('data left in %s that the peer does not take', (name, state) => {
    const [finding] = findIn(lastAckZeroWindow, [listener(8080), shut({ state })]);
    expect(finding.title).toBe(`1 connection in ${name} on :8080: the peer does not read (no process)`);
    expect(finding.blame).toBe('peer-app');
  });

  it('both states as two findings', () => {
    expect(findIn(lastAckZeroWindow, [shut(), shut({ state: TcpState.CLOSING })])).toHaveLength(2);
  });
});

describe('last-ack-zero-window stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['shut for a moment', shut({ info: { backoff: 1, rtoMs: 200 } })],
    ['unanswered probes', shut({ retries: 3 })],
    ['a retransmitted FIN', shut({ timer: TimerCode.RETRANSMIT, retries: 4 })],
    ['another state', shut({ state: TcpState.FIN_WAIT1 })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(lastAckZeroWindow, [listener(8080), socket])).toEqual([]);
  });
});
