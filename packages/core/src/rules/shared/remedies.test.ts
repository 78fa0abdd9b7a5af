import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../filter/mod.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../../testing.ts';
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
    const blue = namespaceOf(sockets, { label: 'blue', enterPath: '/run/netns/blue', seenWithOthers: true });
    expect(dropSocket(own, [0], holder()).command).toBe('lastack clear cookie:1a2b --dry-run');
    expect(dropSocket(own, [0, 1], holder({ owners: [] })).command).toBe(
      'lastack clear state close-wait sport = :80 recvq = 0 stuck --dry-run',
    );
    expect(dropSocket(blue, [0, 1], holder()).command).toMatch(
      /^lastack clear state close-wait netns blue sport = :80 pid \d+ recvq = 0 stuck --dry-run$/,
    );
    const open = namespaceOf([{ state: TcpState.ESTABLISHED, cookie: 0x3cn }, { state: TcpState.ESTABLISHED }]);
    expect(dropSocket(open, [0, 1], holder({ owners: [] })).command).toBe(
      'lastack clear state established sport = :80 stuck --established --dry-run',
    );
    expect(dropSocket(open, [0], holder()).command).toBe('lastack clear cookie:3c --dry-run');
    const raise = setSysctl(blue, 'somaxconn', 9, '', '');
    expect(raise.command).toBe('lastack tune set somaxconn=9 --netns blue');
    expect(setSysctl(own, 'ip_local_port_range', '15000 60999', '', '').command).toBe(
      "lastack tune set 'ip_local_port_range=15000 60999'",
    );
    expect(capture(blue, '10.0.0.2', 7).command).toMatch(/^nsenter --net=\/run\/netns\/blue tcpdump -ni any host 10/);
  });

  it('see as much as the finding saw: all namespaces where it saw several, and else the one of the socket alone', () => {
    const sockets = [1, 2].map((inode) => ({ state: TcpState.FIN_WAIT2, inode }));
    const command = (place: Parameters<typeof namespaceOf>[1]) =>
      dropSocket(namespaceOf(sockets, place), [0, 1], holder({ owners: [] })).command;
    expect(command({ label: 'host' })).toMatch(/^lastack clear state fin-wait-2 sport/);
    expect(command({ label: 'host', seenWithOthers: true })).toMatch(
      /^lastack clear state fin-wait-2 netns host sport/,
    );
    expect(command({ enterPath: '/proc/7/ns/net' })).toMatch(
      /^nsenter --net=\/proc\/7\/ns\/net lastack clear state fin-wait-2 sport/,
    );
  });

  it.each([
    ['nothing', [0, 0], 'recvq = 0 stuck'],
    ['the end of file', [1, 1], 'recvq = 1 stuck'],
    ['data', [2, 900], 'recvq gt 1 stuck'],
    ['sometimes data', [1, 900], ':80 stuck'],
  ])('of one program in CLOSE_WAIT name those that have %s to read', (_, queues, expected) => {
    const sockets = queues.map((receiveQueue) => ({ state: TcpState.CLOSE_WAIT, inode: 5, receiveQueue }));
    expect(dropSocket(namespaceOf(sockets), [0, 1], holder({ owners: [] })).command).toContain(expected);
  });

  it('say how many there are where that is more than clear takes without being told', () => {
    const command = (count: number) => {
      const sockets = Array.from({ length: count }, () => ({ state: TcpState.FIN_WAIT2, inode: 5 }));
      const all = sockets.map((_, row) => row);
      return dropSocket(namespaceOf(sockets), all, holder()).command;
    };
    expect(command(1_000)).toMatch(/ stuck --dry-run$/);
    expect(command(1_001)).toMatch(/ stuck --max 1001 --dry-run$/);
  });

  it.each<[string, Partial<SocketSpec>[], Partial<Holder>, string]>([
    ['one service elsewhere', [{}, {}], { owners: [] }, 'dst 10.0.0.2:443 stuck'],
    [
      'one, over both families',
      [{}, { family: 6, remote: '::ffff:10.0.0.2' }],
      { owners: [] },
      'dst 10.0.0.2:443 stuck',
    ],
    ['IPv6', [1, 2].map(() => ({ family: 6, remote: 'fd00::2' })), { owners: [] }, "dst '[fd00::2]:443' stuck"],
    ['many hosts', [{}, { remote: '10.0.0.3' }], { owners: [] }, 'dport = :443 stuck'],
    ['a service here', [{ remotePort: 50_000 }, { remotePort: 50_001 }], { owners: [] }, 'sport = :80 stuck'],
    ['many services', [{ localPort: 1 }, { localPort: 2, remotePort: 80 }], { owners: [] }, 'stuck'],
    ['orphans', [{ inode: 0 }, { inode: 0 }], { owners: [] }, 'dst 10.0.0.2:443 orphan stuck'],
    [
      'two processes',
      [{}, {}],
      { owners: [7, 8].map((pid) => ({ pid, command: 'a', fd: 3 })) },
      "dst 10.0.0.2:443 '(' pid 7 or pid 8 ')' stuck",
    ],
  ])('name what the sockets share: %s', (_, specs, held, expected) => {
    const base = { state: TcpState.FIN_WAIT2, inode: 5, localPort: 80, remotePort: 443, remote: '10.0.0.2' };
    const namespace = namespaceOf(specs.map((spec) => ({ ...base, ...spec })));
    const { command } = dropSocket(namespace, [0, 1], holder(held));
    expect(command).toBe(`lastack clear state fin-wait-2 ${expected} --dry-run`);
    // What a shell makes of it is a filter.
    const words = expected.replaceAll("'", '').split(' ');
    expect(() => parseFilter(words)).not.toThrow();
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
