import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { closeWaitUnaccepted } from './close-wait-unaccepted.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const queued = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.CLOSE_WAIT,
  localPort: 8080,
  inode: 0,
  receiveQueue: 1,
  info: { lastAckReceivedMs: 30_000, lastDataReceivedMs: 31_000 },
  ...more,
});

describe('close-wait-unaccepted finds', () => {
  it.each([
    ['wildcard', '0.0.0.0', '10.0.0.1', 4],
    ['exact', '10.0.0.1', '10.0.0.1', 4],
    ['dual-stack wildcard', '::', '::ffff:10.0.0.1', 6],
    ['IPv6 exact', 'fd00::1', 'fd00::1', 6],
  ] as const)('the listener that does not accept: %s', (_, listening, local, family) => {
    const sockets = [
      listener(8080, { local: listening, receiveQueue: 3, inode: 55 }),
      ...many(3, () => queued({ local, remote: family === 6 ? 'fd00::2' : '10.0.0.2', family })),
    ];
    const [finding, ...rest] = runRule(closeWaitUnaccepted, [namespaceOf(sockets)], { owners: heldBy([55]) });
    expect(rest).toEqual([]);
    expect(finding.title).toBe('3 connections in CLOSE_WAIT on :8080: node (pid 812) has not accepted them');
    expect(finding.blame).toBe('local-app');
    expect(finding.evidence[0].value).toBe('3 waiting, limit 128');
  });

  it('a listener out of sight', () => {
    const [finding] = findIn(closeWaitUnaccepted, [queued()]);
    expect(finding.title).toContain('gone or out of sight');
  });
});

describe('close-wait-unaccepted stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['accepted', queued({ inode: 9 })],
    ['a second in the queue', queued({ info: { lastAckReceivedMs: 1_000, lastDataReceivedMs: 1_000 } })],
    ['open and waiting to be accepted', queued({ state: TcpState.ESTABLISHED })],
    ['an orphan', queued({ state: TcpState.LAST_ACK })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(closeWaitUnaccepted, [listener(8080, { receiveQueue: 1 }), socket])).toEqual([]);
  });
});
