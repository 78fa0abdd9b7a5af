import { ageBounds, type Finding, forecastInputOf, forecastSocket, TcpState, TimerCode } from '@lastack/core';
import { describe, expect, it } from 'vitest';
import type { Observation, ObservedNamespace } from '../../engine/observation.ts';
import type { Why, WhyEnd } from '../../engine/why.ts';
import { observationOf, observedNamespace, type TestSocket } from './report_testing.ts';
import { makeStyle } from './style.ts';
import { renderMatches, renderWhy } from './why.ts';

const plain = makeStyle(false);
const colour = makeStyle(true);
const strip = (text: string) => text.replace(/\u001b\[\d+m/g, '');

function endOf(observation: Observation, namespace: ObservedNamespace, row: number): WhyEnd {
  const input = forecastInputOf(observation, namespace, row);
  return {
    ref: { namespace, row },
    forecast: forecastSocket(input, { explain: true }),
    age: ageBounds(input),
  };
}

const info = {
  rtoUs: 208_000,
  lastDataSentMs: 90_000,
  lastDataReceivedMs: 90_000,
  lastAckReceivedMs: 90_000,
  rttUs: 350,
};
const halfClosed: TestSocket[] = [
  {
    state: TcpState.CLOSE_WAIT,
    local: '10.0.0.153:4000',
    remote: '10.0.2.46:2572',
    receiveQueue: 1,
    inode: 70,
    info,
  },
  { state: TcpState.FIN_WAIT2, local: '10.0.2.46:2572', remote: '10.0.0.153:4000', inode: 71, info },
];

/** Both ends of a half-closed connection on one host, named by one finding. */
function halfClosedPair(): Why {
  const host = observedNamespace('host', halfClosed);
  const observation = observationOf([host], {
    owners: new Map([
      [70, [{ pid: 812, command: 'node', fd: 23, unit: 'api.service' }]],
      [71, [{ pid: 99, command: 'evil\u001b[2J', fd: 5 }]],
    ]),
    activity: new Map([
      [
        812,
        { pid: 812, threads: [{ tid: 812, name: 'node', syscall: 'epoll_wait', fds: [9] }], epollFds: new Set([23]) },
      ],
    ]),
  });
  host.paths.set('10.0.2.46', { route: 'gateway', gateway: '10.0.0.1', device: 'eth0', neighbour: 'REACHABLE' });
  const finding: Finding = {
    rule: 'close-wait-eof-unread',
    blame: 'local-app',
    severity: 'warning',
    count: 1,
    title: '1 connection in CLOSE_WAIT on :4000: node (pid 812) has not noticed that the peer closed',
    cause: 'The peer has closed and the end of file waits unread.',
    evidence: [{ fact: 'not read by the program', value: '1 byte', source: 'sock_diag idiag_rqueue' }],
    forecast: { kind: 'never', because: 'x' },
    remedies: [{ id: 'drop', what: 'drop it', command: 'ss -tnK state close-wait src 10.0.0.153:4000' }],
    sockets: [{ namespace: host, row: 0 }],
    namespace: host,
  };
  return {
    observation,
    here: endOf(observation, host, 0),
    peer: endOf(observation, host, 1),
    findings: [{ finding, remedies: finding.remedies }],
  };
}

function alone(socket: TestSocket): Why {
  const host = observedNamespace('host', [{ local: '10.0.0.153:4000', remote: '10.0.2.46:2572', ...socket }]);
  const observation = observationOf([host]);
  return { observation, here: endOf(observation, host, 0), peer: undefined, findings: [] };
}

describe('renderWhy', () => {
  it.each([100, 40])('both ends of a half-closed connection at %d columns', (width) => {
    const text = renderWhy(halfClosedPair(), { width, style: plain });
    expect(text).toMatchSnapshot();
    expect(text).not.toContain('\u001b');
    expect(strip(renderWhy(halfClosedPair(), { width, style: colour }))).toBe(text);
    for (const line of text.split('\n')) {
      if (!line.includes('ss -tnK')) expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });

  it('an orphan that retransmits, with its forecast worked out', () => {
    const socket = {
      state: TcpState.FIN_WAIT1,
      timer: TimerCode.RETRANSMIT,
      expiresMs: 9_000,
      retries: 6,
      sendQueue: 1,
      info: {
        ...info,
        retransmits: 6,
        backoff: 6,
        rtoUs: 26_624_000,
        totalRto: 6,
        totalRtoRecoveries: 1,
        totalRtoTimeMs: 22_000,
      },
    };
    expect(renderWhy(alone(socket), { width: 100, style: plain })).toMatchSnapshot();
  });

  it.each<[string, TestSocket, string]>([
    ['idle', { state: TcpState.ESTABLISHED, inode: 7, info }, 'Nothing is wrong with this connection.'],
    [
      'sending',
      { state: TcpState.ESTABLISHED, inode: 7, timer: TimerCode.RETRANSMIT, expiresMs: 100, sendQueue: 9, info },
      'Data is on its way and not acknowledged yet.',
    ],
    ['unaccepted', { state: TcpState.ESTABLISHED, info }, 'It waits for its program to accept it.'],
    ['TIME_WAIT', { state: TcpState.TIME_WAIT, timer: TimerCode.TIME_WAIT, expiresMs: 31_000 }, 'Nothing is wrong:'],
    ['LISTEN', { state: TcpState.LISTEN, inode: 7, remote: '0.0.0.0:0' }, 'Nothing is wrong with this socket.'],
    ['just closed', { state: TcpState.CLOSE_WAIT, inode: 7, info }, 'CLOSE_WAIT is a state that connections pass'],
  ])('a connection that no rule names: %s', (_, socket, expected) => {
    const text = renderWhy(alone(socket), { width: 200, style: plain });
    expect(text).toContain(expected);
    expect(text).toContain('Ends');
    expect(text).toContain('Clears');
  });
});

describe('renderMatches', () => {
  it('lists twenty in columns and says how to name one', () => {
    const host = observedNamespace(
      'host',
      Array.from({ length: 23 }, (_, index) => ({ state: index % 2 ? TcpState.CLOSE_WAIT : 1, inode: 100 + index })),
    );
    const matches = Array.from({ length: 23 }, (_, row) => ({ here: { namespace: host, row }, peer: undefined }));
    const owners = new Map([[101, [{ pid: 812, command: 'node', fd: 3 }]]]);
    const text = renderMatches(matches, 'a connection with port 80', owners, { width: 100, style: plain });
    expect(text).toMatchSnapshot();
    const narrow = renderMatches(matches, 'a connection with port 80', owners, { width: 40, style: plain });
    for (const line of narrow.split('\n')) expect(line.length).toBeLessThanOrEqual(40);
  });
});
