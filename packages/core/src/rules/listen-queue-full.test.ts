import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { listenQueueFull } from './listen-queue-full.ts';
import { activityOf, findIn, heldBy, listener, runRule } from './shared/testing.ts';

const full = listener(8080, { inode: 55, sendQueue: 5, receiveQueue: 6 });

describe('listen-queue-full finds', () => {
  it('a program that does not accept, with what clients see', () => {
    const counters = {
      first: new Map([['TcpExt.ListenOverflows', 100]]),
      second: new Map([['TcpExt.ListenOverflows', 130]]),
      elapsedMs: 1_000,
    };
    const sockets: SocketSpec[] = [
      full,
      { state: TcpState.CLOSE_WAIT, localPort: 8080, inode: 0 },
      { state: TcpState.SYN_SENT, remotePort: 8080, inode: 9 },
    ];
    const activity = new Map([[812, activityOf(812, ['futex'])]]);
    const [finding, ...rest] = runRule(listenQueueFull, [namespaceOf(sockets, { counters })], {
      owners: heldBy([55]),
      activity,
    });
    expect(rest).toEqual([]);
    expect(finding.title).toBe(
      'Listener :8080 is full, 6 connections waiting: node (pid 812) does not accept fast enough',
    );
    expect(finding).toMatchObject({ blame: 'local-app', severity: 'critical', count: 6 });
    expect(finding.evidence.map(({ value }) => value)).toEqual(
      expect.arrayContaining(['6 waiting, limit 5', '+30 in 1 s (130 since this namespace began)', '1 in futex', 1]),
    );
    expect(finding.cause).toContain('repeat their SYN');
  });

  it('resets where tcp_abort_on_overflow asks for them', () => {
    const [finding] = findIn(listenQueueFull, [full], { settings: { tcp_abort_on_overflow: 1 } });
    expect(finding.cause).toContain('get a reset');
  });

  it('somaxconn only where it is the limit that was met', () => {
    const remediesWith = (somaxconn: number) =>
      findIn(listenQueueFull, [full], { settings: { somaxconn } })[0].remedies.map(({ id }) => id);
    expect(remediesWith(5)).toContain('sysctl');
    expect(remediesWith(4096)).not.toContain('sysctl');
  });
});

describe('listen-queue-full stays silent', () => {
  it.each([
    ['empty', { receiveQueue: 0 }],
    ['exactly at its limit, where one more still fits', { receiveQueue: 128 }],
  ])('%s', (_, more) => {
    expect(findIn(listenQueueFull, [listener(8080, more)])).toEqual([]);
  });

  it('an open connection with more unread than unsent', () => {
    expect(findIn(listenQueueFull, [{ state: TcpState.ESTABLISHED, receiveQueue: 9, inode: 4 }])).toEqual([]);
  });
});
