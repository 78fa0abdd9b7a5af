import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { RULES } from './mod.ts';
import { listener, many, runRule } from './shared/testing.ts';

/** A busy web server with a database behind it: a little of everything, nothing stuck. */
function busyHost(): SocketSpec[] {
  const busy = { lastAckReceivedMs: 20, lastDataReceivedMs: 30 };
  const client = (index: number) => `10.${index % 200}.${index % 90}.7`;
  return [
    listener(443, { receiveQueue: 3 }),
    listener(22, { local: '::' }),
    ...many(3_000, (index) => ({
      state: TcpState.ESTABLISHED,
      localPort: 443,
      remote: client(index),
      inode: 10_000 + index,
    })),
    // Data in flight, some of it lost and sent again.
    ...many(200, (index) => ({
      state: TcpState.ESTABLISHED,
      localPort: 443,
      remote: client(index),
      inode: 20_000 + index,
      sendQueue: 20_000,
      timer: TimerCode.RETRANSMIT,
      retries: index % 3,
      info: busy,
    })),
    // Slow readers.
    ...many(30, (index) => ({
      state: TcpState.ESTABLISHED,
      localPort: 443,
      inode: 30_000 + index,
      sendQueue: 90_000,
      timer: TimerCode.ZERO_WINDOW_PROBE,
      info: { ...busy, backoff: index % 4 },
    })),
    // Just accepted, or about to be.
    ...many(3, () => ({ state: TcpState.ESTABLISHED, localPort: 443, inode: 0 })),
    ...many(40, (index) => ({
      state: TcpState.SYN_RECV,
      localPort: 443,
      remote: client(index),
      timer: TimerCode.RETRANSMIT,
    })),
    // Closing.
    ...many(60, (index) => ({
      state: TcpState.FIN_WAIT1,
      localPort: 443,
      remote: client(index),
      sendQueue: 1,
      timer: TimerCode.RETRANSMIT,
      retries: index % 3,
      info: busy,
    })),
    ...many(300, (index) => ({
      state: TcpState.FIN_WAIT2,
      localPort: 443,
      remote: client(index),
      timer: TimerCode.TIME_WAIT,
      expiresMs: index * 100,
    })),
    ...many(5, (index) => ({ state: TcpState.FIN_WAIT2, localPort: 443, inode: 40_000 + index, info: busy })),
    ...many(10, (index) => ({
      state: TcpState.CLOSE_WAIT,
      localPort: 443,
      inode: 50_000 + index,
      receiveQueue: index % 3,
      info: { lastAckReceivedMs: 5, lastDataReceivedMs: 9 },
    })),
    ...many(5, () => ({
      state: TcpState.LAST_ACK,
      localPort: 443,
      sendQueue: 1,
      timer: TimerCode.RETRANSMIT,
      retries: 1,
      info: busy,
    })),
    { state: TcpState.CLOSING, localPort: 443, sendQueue: 1, timer: TimerCode.RETRANSMIT, info: busy },
    // A gone client whose orphan the kernel is about to drop.
    {
      state: TcpState.FIN_WAIT1,
      localPort: 443,
      sendQueue: 1,
      timer: TimerCode.RETRANSMIT,
      retries: 4,
      info: { lastAckReceivedMs: 9_000 },
    },
    // Towards the database, a connection each now and then.
    ...many(4_000, (index) => ({
      state: TcpState.TIME_WAIT,
      localPort: 33_000 + index,
      remote: '10.0.0.9',
      remotePort: 5432,
      expiresMs: index * 15,
    })),
    ...many(9_000, (index) => ({
      state: TcpState.TIME_WAIT,
      localPort: 443,
      remote: client(index),
      expiresMs: index * 6,
    })),
    {
      state: TcpState.SYN_SENT,
      localPort: 45_000,
      remotePort: 443,
      inode: 9,
      timer: TimerCode.RETRANSMIT,
      retries: 1,
      info: {},
    },
  ];
}

describe('on a healthy busy host', () => {
  const flat = new Map([
    ['TcpExt.ListenOverflows', 12],
    ['TcpExt.TCPTimeWaitOverflow', 7],
    ['TcpExt.TCPAbortOnMemory', 3],
  ]);
  const namespace = namespaceOf(busyHost(), {
    sockstat: { 'TCP.orphan': 66, 'TCP.tw': 13_000 },
    counters: { first: flat, second: flat, elapsedMs: 200 },
  });
  it.each(RULES.map((rule) => [rule.id, rule] as const))('%s finds nothing', (_, rule) => {
    expect(runRule(rule, [namespace])).toEqual([]);
  });
});

describe('one stuck socket gives one finding', () => {
  const still = { lastAckReceivedMs: 70_000, lastDataReceivedMs: 71_000, lastDataSentMs: 72_000 };
  const retransmitting = {
    timer: TimerCode.RETRANSMIT,
    retries: 7,
    sendQueue: 1,
    info: { ...still, rtoMs: 25_600, backoff: 7 },
  };
  const probing = {
    timer: TimerCode.ZERO_WINDOW_PROBE,
    sendQueue: 9,
    info: { backoff: 7, rtoMs: 200, lastAckReceivedMs: 900 },
  };
  const cases: [string, SocketSpec][] = [
    ['fin-wait-1-blackhole', { state: TcpState.FIN_WAIT1, ...retransmitting }],
    ['fin-wait-1-zero-window', { state: TcpState.FIN_WAIT1, ...probing }],
    ['fin-wait-1-immortal', { state: TcpState.FIN_WAIT1, info: still }],
    ['fin-wait-1-immortal', { state: TcpState.CLOSING, info: still }],
    ['fin-wait-2-held', { state: TcpState.FIN_WAIT2, inode: 4, info: still }],
    ['close-wait-close-forgotten', { state: TcpState.CLOSE_WAIT, inode: 4, info: still }],
    ['close-wait-eof-unread', { state: TcpState.CLOSE_WAIT, inode: 4, receiveQueue: 1, info: still }],
    ['close-wait-data-unread', { state: TcpState.CLOSE_WAIT, inode: 4, receiveQueue: 2, info: still }],
    ['close-wait-unaccepted', { state: TcpState.CLOSE_WAIT, receiveQueue: 1, info: still }],
    ['last-ack-blackhole', { state: TcpState.LAST_ACK, ...retransmitting }],
    ['last-ack-zero-window', { state: TcpState.LAST_ACK, ...probing }],
    ['last-ack-zero-window', { state: TcpState.CLOSING, ...probing }],
    ['closing-blackhole', { state: TcpState.CLOSING, ...retransmitting }],
    ['established-blackhole', { state: TcpState.ESTABLISHED, inode: 4, ...retransmitting }],
    ['established-blackhole', { state: TcpState.CLOSE_WAIT, inode: 4, ...retransmitting }],
    ['established-zero-window', { state: TcpState.ESTABLISHED, inode: 4, ...probing }],
    ['established-zero-window', { state: TcpState.CLOSE_WAIT, inode: 4, ...probing }],
    ['syn-sent-unanswered', { state: TcpState.SYN_SENT, inode: 4, timer: TimerCode.RETRANSMIT, retries: 4, info: {} }],
    ['listen-queue-full', listener(80, { sendQueue: 1, receiveQueue: 2 })],
  ];
  it.each(cases)('%s', (id, socket) => {
    const found = RULES.flatMap((rule) => runRule(rule, [namespaceOf([socket])]));
    expect(found.map(({ rule }) => rule)).toEqual([id]);
  });

  it('both ends of a half-close visible: the end that must act', () => {
    const near = namespaceOf([{ state: TcpState.FIN_WAIT2, inode: 4, remotePort: 5000, info: still }]);
    const far = namespaceOf(
      [
        {
          state: TcpState.CLOSE_WAIT,
          local: '10.0.0.2',
          localPort: 5000,
          remote: '10.0.0.1',
          remotePort: 80,
          inode: 7,
          info: still,
        },
      ],
      { label: 'blue', inode: 2 },
    );
    const found = RULES.flatMap((rule) => [...runRule(rule, [near, far]), ...runRule(rule, [far, near])]);
    expect(found.map(({ rule }) => rule)).toEqual(['close-wait-close-forgotten']);
    expect(found[0].peers?.at(0)?.namespace).toBe(near);
  });
});
