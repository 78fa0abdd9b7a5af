import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { finWait1ZeroWindow } from './fin-wait-1-zero-window.ts';
import { findIn, heldBy, listener, runRule } from './shared/testing.ts';

const shut = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT1,
  localPort: 8080,
  remotePort: 5000,
  inode: 100,
  sendQueue: 90_001,
  timer: TimerCode.ZERO_WINDOW_PROBE,
  retries: 0,
  expiresMs: 9_000,
  info: { backoff: 8, rtoMs: 204, lastAckReceivedMs: 4_000 },
  ...more,
});

describe('fin-wait-1-zero-window finds', () => {
  it('a peer that answers and does not read: held by its program, for ever', () => {
    const [finding] = runRule(finWait1ZeroWindow, [namespaceOf([listener(8080), shut()])], { owners: heldBy([100]) });
    expect(finding.title).toBe('1 connection in FIN_WAIT1 on :8080: the peer does not read (node (pid 812))');
    expect(finding).toMatchObject({ blame: 'peer-app', count: 1 });
    expect(finding.forecast.kind).toBe('never');
    expect(finding.remedies[0].id).toBe('peer');
    // 204 ms doubled eight times: 204 × 255.
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ fact: 'window shut for at least', value: '52 s' }),
    );
  });

  it('an orphan, which ends by itself', () => {
    const [finding] = findIn(finWait1ZeroWindow, [shut({ inode: 0 })]);
    expect(finding.forecast.kind).toBe('at');
    expect(finding.remedies[0].id).toBe('wait');
  });

  it('a withdrawn window, where the retransmit timer runs while ACKs come', () => {
    const withdrawn = shut({
      timer: TimerCode.RETRANSMIT,
      retries: 5,
      info: { sendWindow: 0, rtoMs: 6_400, lastAckReceivedMs: 2_000 },
    });
    expect(findIn(finWait1ZeroWindow, [withdrawn])).toHaveLength(1);
  });

  it('the program that does not read, where it is visible', () => {
    const far = namespaceOf(
      [
        {
          state: TcpState.ESTABLISHED,
          local: '10.0.0.2',
          localPort: 5000,
          remote: '10.0.0.1',
          remotePort: 8080,
          inode: 7,
          receiveQueue: 65_536,
        },
      ],
      { label: 'blue', inode: 2 },
    );
    const owners = heldBy([7], { pid: 31, command: 'reader' });
    const [finding] = runRule(finWait1ZeroWindow, [namespaceOf([shut()]), far], { owners });
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({
        value: expect.stringContaining('reader (pid 31) in network namespace blue, Recv-Q 65,536'),
      }),
    );
  });
});

describe('fin-wait-1-zero-window stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['shut for a second', shut({ info: { backoff: 2, rtoMs: 204 } })],
    ['unanswered probes', shut({ retries: 4 })],
    ['as many probes as doublings: none answered yet', shut({ retries: 2, info: { backoff: 2, rtoMs: 3_000 } })],
    ['retransmissions without any ACK', shut({ timer: TimerCode.RETRANSMIT, retries: 5 })],
    ['no TCP_INFO', shut({ info: undefined })],
    ['another state', shut({ state: TcpState.ESTABLISHED })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(finWait1ZeroWindow, [listener(8080), socket])).toEqual([]);
  });
});
