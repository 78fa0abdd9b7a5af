import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { finWait2Held } from './fin-wait-2-held.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const held = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT2,
  localPort: 8080,
  remotePort: 5000,
  inode: 100,
  info: { lastAckReceivedMs: 120_000, lastDataSentMs: 125_000 },
  ...more,
});

const otherEnd = (state: number) =>
  namespaceOf([{ state, local: '10.0.0.2', localPort: 5000, remote: '10.0.0.1', remotePort: 8080, inode: 7 }], {
    label: 'blue',
    inode: 2,
  });

describe('fin-wait-2-held finds', () => {
  it('a connection that waits for a peer without a time limit', () => {
    const [finding] = runRule(finWait2Held, [namespaceOf([listener(8080), held()])], { owners: heldBy([100]) });
    expect(finding.title).toBe(
      '1 connection in FIN_WAIT2 on :8080: the peer has not closed, node (pid 812) keeps waiting',
    );
    expect(finding).toMatchObject({ blame: 'peer-app', severity: 'warning' });
    expect(finding.forecast.kind).toBe('never');
    expect(finding.wouldTell).toContain('10.0.0.2 port 5000');
    expect(finding.age?.fromMs).toBeGreaterThan(119_000);
  });

  it('many as one', () => {
    const sockets = [
      listener(8080),
      ...many(1_200, (index) => held({ inode: 100 + index, remotePort: 1_024 + index })),
    ];
    const owners = heldBy(Array.from({ length: 1_200 }, (_, index) => 100 + index));
    const findings = runRule(finWait2Held, [namespaceOf(sockets)], { owners });
    expect(findings.map(({ count, severity }) => [count, severity])).toEqual([[1_200, 'critical']]);
  });

  it('whether keepalive would notice a vanished peer', () => {
    const options = new Map([
      [
        1n,
        {
          userTimeoutMs: 0,
          keepalive: false,
          keepaliveIdleSeconds: 7200,
          keepaliveIntervalSeconds: 75,
          keepaliveProbes: 9,
          linger2Seconds: 60,
          synCount: 6,
        },
      ],
    ]);
    const [finding] = findIn(finWait2Held, [held({ cookie: 1n })], { options });
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ value: '0 of 1', source: 'getsockopt SO_KEEPALIVE' }),
    );
  });
});

describe('fin-wait-2-held stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['just entered', held({ info: { lastAckReceivedMs: 900, lastDataSentMs: 1_000 } })],
    [
      'a half-close over which the peer still sends',
      held({ info: { lastAckReceivedMs: 30, lastDataSentMs: 600_000 } }),
    ],
    ['an orphan on its timer', held({ inode: 0, timer: TimerCode.KEEPALIVE })],
    ['a minisocket', held({ inode: 0, timer: TimerCode.TIME_WAIT, info: undefined })],
    ['another state', held({ state: TcpState.FIN_WAIT1 })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(finWait2Held, [listener(8080), socket])).toEqual([]);
  });

  it.each([
    ['CLOSE_WAIT', TcpState.CLOSE_WAIT],
    ['LAST_ACK', TcpState.LAST_ACK],
  ])('the other end is visible in %s and reported there', (_, state) => {
    expect(runRule(finWait2Held, [namespaceOf([held()]), otherEnd(state)])).toEqual([]);
  });
});
