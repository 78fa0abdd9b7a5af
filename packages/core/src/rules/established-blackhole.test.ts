import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { establishedBlackhole } from './established-blackhole.ts';
import { findIn, heldBy, listener, runRule } from './shared/testing.ts';

const stalled = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.ESTABLISHED,
  localPort: 45_000,
  remote: '10.0.0.9',
  remotePort: 5432,
  inode: 100,
  sendQueue: 700,
  timer: TimerCode.RETRANSMIT,
  retries: 6,
  expiresMs: 5_000,
  info: { retransmits: 6, backoff: 6, rtoMs: 12_800, unackedSegments: 1, lastAckReceivedMs: 20_000 },
  ...more,
});

describe('established-blackhole finds', () => {
  it('data that a client sends into nothing', () => {
    const [finding] = runRule(establishedBlackhole, [namespaceOf([stalled()])], { owners: heldBy([100]) });
    expect(finding.title).toBe('1 connection in ESTABLISHED to 10.0.0.9:5432: no answer to the data (node (pid 812))');
    expect(finding.blame).toBe('peer-host or path');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '700 bytes' }));
  });

  it('the same in CLOSE_WAIT with data left', () => {
    expect(findIn(establishedBlackhole, [stalled({ state: TcpState.CLOSE_WAIT })])[0].title).toContain('CLOSE_WAIT');
  });
});

describe('established-blackhole stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['loss on a slow link', stalled({ retries: 2 })],
    ['a client that paused for four seconds', stalled({ retries: 4, info: { lastAckReceivedMs: 4_000 } })],
    ['data in flight', stalled({ retries: 0 })],
    ['idle', stalled({ timer: TimerCode.NONE, retries: 0 })],
    ['keepalive probes', stalled({ timer: TimerCode.KEEPALIVE, retries: 5 })],
    [
      'ACKs that come with a withdrawn window',
      stalled({ info: { sendWindow: 0, rtoMs: 12_800, lastAckReceivedMs: 6_000 } }),
    ],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(establishedBlackhole, [listener(8080), socket])).toEqual([]);
  });
});
