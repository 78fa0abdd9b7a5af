import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { closeWaitEofUnread } from './close-wait-eof-unread.ts';
import { activityOf, findIn, heldBy, listener, runRule } from './shared/testing.ts';

const pending = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.CLOSE_WAIT,
  localPort: 8080,
  inode: 100,
  receiveQueue: 1,
  info: { lastAckReceivedMs: 90_000, lastDataReceivedMs: 100_000 },
  ...more,
});

describe('close-wait-eof-unread finds', () => {
  it('an end of file nobody read', () => {
    const [finding] = runRule(closeWaitEofUnread, [namespaceOf([listener(8080), pending()])], {
      owners: heldBy([100]),
    });
    expect(finding.title).toBe(
      '1 connection in CLOSE_WAIT on :8080: node (pid 812) has not noticed that the peer closed',
    );
    expect(finding).toMatchObject({ blame: 'local-app', severity: 'warning', count: 1 });
  });

  it('that epoll told the program', () => {
    const activity = new Map([[812, activityOf(812, ['epoll_wait'], [20])]]);
    const [finding] = runRule(closeWaitEofUnread, [namespaceOf([pending()])], { owners: heldBy([100]), activity });
    expect(finding.cause).toContain('An epoll set watches them');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '1 of 1', source: '/proc/812/fdinfo' }));
  });

  it('a holder that may not be looked at, and says so', () => {
    const [finding] = findIn(closeWaitEofUnread, [listener(8080), pending({ uid: 33 })]);
    expect(finding.title).toContain('a process that cannot be seen from here (uid 33)');
    expect(finding.remedies.map(({ id }) => id)).toEqual(['fix-program', 'drop']);
  });

  it('names of programs without their control characters', () => {
    const owners = heldBy([100], { command: 'no\u001b[31mde' });
    const [finding] = runRule(closeWaitEofUnread, [namespaceOf([pending()])], { owners });
    expect(JSON.stringify(finding.title)).not.toContain('\\u001b');
  });
});

describe('close-wait-eof-unread stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['data before the FIN', pending({ receiveQueue: 2 })],
    ['everything read', pending({ receiveQueue: 0 })],
    ['not accepted', pending({ inode: 0 })],
    ['one second old', pending({ info: { lastAckReceivedMs: 1_000, lastDataReceivedMs: 1_100 } })],
    ['one unread byte of an open connection', pending({ state: TcpState.ESTABLISHED })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(closeWaitEofUnread, [listener(8080), socket])).toEqual([]);
  });
});
