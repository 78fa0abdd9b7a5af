import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { establishedZeroWindow } from './established-zero-window.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const shut = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.ESTABLISHED,
  localPort: 8080,
  inode: 100,
  sendQueue: 50_000,
  timer: TimerCode.ZERO_WINDOW_PROBE,
  info: { backoff: 7, rtoMs: 210, lastAckReceivedMs: 1_000 },
  ...more,
});

describe('established-zero-window finds', () => {
  it('a slow reader as a notice', () => {
    const [finding] = runRule(establishedZeroWindow, [namespaceOf([listener(8080), shut()])], {
      owners: heldBy([100]),
    });
    expect(finding.title).toBe('1 connection in ESTABLISHED on :8080: the peer does not read (node (pid 812))');
    expect(finding).toMatchObject({ blame: 'peer-app', severity: 'notice' });
    expect(finding.forecast.kind).toBe('never');
  });

  it('many as a warning, and CLOSE_WAIT with data left apart', () => {
    const sockets = [
      listener(8080),
      ...many(15, (index) => shut({ inode: 100 + index })),
      shut({ inode: 200, state: TcpState.CLOSE_WAIT }),
    ];
    expect(findIn(establishedZeroWindow, sockets).map(({ count, severity }) => [count, severity])).toEqual([
      [15, 'warning'],
      [1, 'notice'],
    ]);
  });
});

describe('established-zero-window stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['flow control of a few seconds', shut({ info: { backoff: 4, rtoMs: 210 } })],
    ['unanswered probes', shut({ retries: 3 })],
    ['data in flight', shut({ timer: TimerCode.RETRANSMIT, retries: 0 })],
    ['idle', shut({ timer: TimerCode.NONE })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(establishedZeroWindow, [listener(8080), socket])).toEqual([]);
  });
});
