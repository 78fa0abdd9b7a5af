import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { closeWaitDataUnread } from './close-wait-data-unread.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const unread = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.CLOSE_WAIT,
  localPort: 8080,
  inode: 100,
  receiveQueue: 4_097,
  info: { lastAckReceivedMs: 9_000, lastDataReceivedMs: 9_000 },
  ...more,
});

describe('close-wait-data-unread finds', () => {
  it('a program that stopped reading, with the bytes', () => {
    const sockets = [listener(8080), ...many(12, (index) => unread({ inode: 100 + index }))];
    const owners = heldBy(Array.from({ length: 12 }, (_, index) => 100 + index));
    const [finding] = runRule(closeWaitDataUnread, [namespaceOf(sockets)], { owners });
    expect(finding.title).toBe('12 connections in CLOSE_WAIT on :8080: node (pid 812) has stopped reading');
    expect(finding.severity).toBe('warning');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '49,164 bytes' }));
  });

  it('a young one as a notice', () => {
    expect(findIn(closeWaitDataUnread, [unread()])[0].severity).toBe('notice');
  });
});

describe('close-wait-data-unread stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['only the FIN unread', unread({ receiveQueue: 1 })],
    ['unread data in the accept queue', unread({ inode: 0 })],
    ['unread data of an open connection', unread({ state: TcpState.ESTABLISHED })],
    ['the last data came just now', unread({ info: { lastAckReceivedMs: 100, lastDataReceivedMs: 100 } })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(closeWaitDataUnread, [listener(8080), socket])).toEqual([]);
  });
});
