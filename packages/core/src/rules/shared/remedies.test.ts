import { describe, expect, it } from 'vitest';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf } from '../../testing.ts';
import type { Holder } from './holder.ts';
import { capture, dropSocket, restartHolder, setSysctl, ssState } from './remedies.ts';

const holder = (more: Partial<Holder> = {}): Holder => ({
  key: '',
  label: '',
  owners: [{ pid: 812, command: 'node', fd: 3 }],
  sharedSockets: 0,
  ...more,
});

describe('commands', () => {
  // The spellings of ss(8), section STATE-FILTER.
  it.each([
    [TcpState.ESTABLISHED, 'established'],
    [TcpState.SYN_SENT, 'syn-sent'],
    [TcpState.SYN_RECV, 'syn-recv'],
    [TcpState.FIN_WAIT1, 'fin-wait-1'],
    [TcpState.FIN_WAIT2, 'fin-wait-2'],
    [TcpState.TIME_WAIT, 'time-wait'],
    [TcpState.CLOSE_WAIT, 'close-wait'],
    [TcpState.LAST_ACK, 'last-ack'],
    [TcpState.CLOSING, 'closing'],
  ])('state %i is %s', (state, name) => {
    expect(ssState(state)).toBe(name);
  });

  it('run inside the namespace of the socket, and as they are in the own one', () => {
    const sockets = [
      { state: TcpState.CLOSE_WAIT, inode: 1, cookie: 0x1a2bn },
      { state: TcpState.CLOSE_WAIT, inode: 2 },
    ];
    const own = namespaceOf(sockets, { label: 'self' });
    const blue = namespaceOf(sockets, { label: 'blue', enterPath: '/run/netns/blue' });
    expect(dropSocket(own, [0], holder()).command).toBe('lastack clear cookie:1a2b --dry-run');
    expect(dropSocket(own, [0, 1], holder({ owners: [] })).command).toBe(
      'lastack clear state close-wait stuck --dry-run',
    );
    expect(dropSocket(blue, [0, 1], holder()).command).toMatch(
      /^lastack clear state close-wait netns blue pid \d+ stuck --dry-run$/,
    );
    const open = namespaceOf([{ state: TcpState.ESTABLISHED, cookie: 0x3cn }, { state: TcpState.ESTABLISHED }]);
    expect(dropSocket(open, [0, 1], holder({ owners: [] })).command).toBe(
      'lastack clear state established stuck --established --dry-run',
    );
    expect(dropSocket(open, [0], holder()).command).toBe('lastack clear cookie:3c --dry-run');
    const raise = setSysctl(blue, 'somaxconn', 9, '', '');
    expect(raise.command).toBe('lastack tune set somaxconn=9 --netns blue');
    expect(setSysctl(own, 'ip_local_port_range', '15000 60999', '', '').command).toBe(
      "lastack tune set 'ip_local_port_range=15000 60999'",
    );
    expect(capture(blue, '10.0.0.2', 7).command).toMatch(/^nsenter --net=\/run\/netns\/blue tcpdump -ni any host 10/);
  });

  // What an unacknowledged FIN adds to the queue is no data; that a graceful close sends a FIN, RFC 9293, 3.10.4.
  it.each([
    [TcpState.CLOSE_WAIT, 0, /^no data waits to be sent; the peer sees a FIN, or a reset where/],
    [TcpState.CLOSE_WAIT, 40, /^80 bytes not acknowledged may be lost and the peer may get a reset where a FIN/],
    [TcpState.FIN_WAIT1, 1, /^no data waits to be sent; the peer may get a reset/],
    [TcpState.FIN_WAIT1, 301, /^600 bytes not acknowledged may be lost; the peer may get a reset/],
    [TcpState.ESTABLISHED, 100, /^200 bytes not acknowledged may be lost; the peer may get a reset/],
  ])('costs in state %i with %i bytes in each send queue', (state, sendQueue, expected) => {
    const two = namespaceOf([
      { state, sendQueue, inode: 1 },
      { state, sendQueue, inode: 2 },
    ]);
    expect(dropSocket(two, [0, 1], holder()).cost).toMatch(expected);
  });

  it('quote what the host named', () => {
    expect(restartHolder(holder({ unit: "a b';rm -rf.service" }))?.command).toBe(
      "systemctl restart 'a b'\\'';rm -rf.service'",
    );
    expect(restartHolder(holder({ unit: 'session-3.scope' }))?.command).toBeUndefined();
    expect(restartHolder(holder({ owners: [] }))).toBeUndefined();
  });
});
