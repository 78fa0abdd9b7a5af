import { describe, expect, it } from 'vitest';
import type { PathEvidence } from '../snapshot.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec, snapshotOf } from '../testing.ts';
import { finWait1Blackhole } from './fin-wait-1-blackhole.ts';
import { contextOf, findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const stalled = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT1,
  localPort: 8080,
  remotePort: 5000,
  inode: 100,
  sendQueue: 1,
  timer: TimerCode.RETRANSMIT,
  retries: 8,
  expiresMs: 10_000,
  info: {
    retransmits: 8,
    backoff: 8,
    rtoMs: 51_200,
    unackedSegments: 1,
    lastAckReceivedMs: 95_000,
    lastDataSentMs: 96_000,
    totalRto: 8,
    totalRtoRecoveries: 1,
    totalRtoTimeMs: 90_000,
  },
  ...more,
});

const toPeer = (path: PathEvidence) => ({ paths: new Map([['10.0.0.2', path]]) });

describe('fin-wait-1-blackhole finds', () => {
  it('an owned connection, forecast and evidence with it', () => {
    const [finding] = runRule(finWait1Blackhole, [namespaceOf([listener(8080), stalled()])], { owners: heldBy([100]) });
    expect(finding.title).toBe('1 connection in FIN_WAIT1 on :8080: no answer to the FIN (node (pid 812))');
    expect(finding).toMatchObject({ rule: 'fin-wait-1-blackhole', blame: 'peer-host or path', severity: 'warning' });
    expect(finding.wouldTell).toContain('10.0.0.2');
    expect(finding.forecast.kind).toBe('at');
    expect(finding.evidence).toContainEqual({
      fact: 'retransmissions without an acknowledgement',
      value: '8',
      source: 'sock_diag idiag_retrans',
    });
    expect(finding.remedies[0].id).toBe('wait');
  });

  it('orphans and owned sockets apart', () => {
    const sockets = [listener(8080), stalled(), ...many(6, (index) => stalled({ inode: 0, remotePort: 6000 + index }))];
    const findings = findIn(finWait1Blackhole, sockets);
    expect(findings.map(({ count }) => count).sort()).toEqual([1, 6]);
    expect(findings.find(({ count }) => count === 6)?.title).toContain('(left by their program)');
  });

  it('unanswered window probes too', () => {
    const [finding] = findIn(finWait1Blackhole, [stalled({ timer: TimerCode.ZERO_WINDOW_PROBE, retries: 5 })]);
    expect(finding.evidence[0].fact).toBe('window probes without an answer');
  });

  const verdicts: [string, PathEvidence, string, RegExp][] = [
    [
      'on-link peer FAILED',
      { route: 'on-link', device: 'eth0', neighbour: 'FAILED' },
      'peer-host',
      /address resolution/,
    ],
    ['on-link peer INCOMPLETE', { route: 'on-link', device: 'eth0', neighbour: 'INCOMPLETE' }, 'peer-host', /down/],
    [
      'on-link peer REACHABLE during the stall',
      { route: 'on-link', neighbour: 'REACHABLE' },
      'path',
      /would have sent a reset/,
    ],
    ['on-link peer STALE', { route: 'on-link', neighbour: 'STALE' }, 'peer-host or path', /cannot be told/],
    ['gateway FAILED', { route: 'gateway', gateway: '10.0.0.254', neighbour: 'FAILED' }, 'path', /gateway 10.0.0.254/],
    [
      'gateway REACHABLE',
      { route: 'gateway', gateway: '10.0.0.254', neighbour: 'REACHABLE' },
      'peer-host or path',
      /cannot be told/,
    ],
    ['no carrier', { route: 'on-link', device: 'eth0', carrier: false, neighbour: 'FAILED' }, 'path', /no carrier/],
    ['no route', { route: 'none' }, 'path', /no way to send/],
    ['own address', { route: 'local' }, 'path', /local packet filter/],
  ];
  it.each(verdicts)('who is to blame: %s', (_, path, blame, cause) => {
    const [finding] = findIn(finWait1Blackhole, [stalled()], toPeer(path));
    expect(finding.blame).toBe(blame);
    expect(finding.cause).toMatch(cause);
    expect(finding.wouldTell === undefined).toBe(blame !== 'peer-host or path');
  });

  it('a REACHABLE neighbour proves nothing while its last answer may be older than the stall', () => {
    const young = stalled({ retries: 4, info: { rtoMs: 3_200, backoff: 4, lastAckReceivedMs: 5_000 } });
    const [finding] = findIn(finWait1Blackhole, [young], toPeer({ route: 'on-link', neighbour: 'REACHABLE' }));
    expect(finding.blame).toBe('peer-host or path');
    expect(finding.wouldTell).toContain('again in a minute');
  });

  it.each<[string, SocketSpec, string]>([
    [
      'a connection that heard from it',
      { state: TcpState.ESTABLISHED, inode: 5, info: { lastAckReceivedMs: 2_000 } },
      'path',
    ],
    ['a TIME_WAIT younger than the stall', { state: TcpState.TIME_WAIT, expiresMs: 55_000 }, 'path'],
    [
      'an idle open connection',
      { state: TcpState.ESTABLISHED, inode: 5, info: { lastAckReceivedMs: 91_000, lastDataReceivedMs: 91_000 } },
      'peer-host or path',
    ],
    ['an open connection without TCP_INFO', { state: TcpState.ESTABLISHED, inode: 5 }, 'peer-host or path'],
    [
      'a living connection to another host',
      { state: TcpState.ESTABLISHED, inode: 5, remote: '10.0.1.2', info: { lastAckReceivedMs: 10 } },
      'peer-host or path',
    ],
  ])('what other sockets tell: %s', (_, other, blame) => {
    expect(findIn(finWait1Blackhole, [stalled(), other])[0].blame).toBe(blame);
  });

  it('that the path is broken where the other end is visible', () => {
    const far = namespaceOf(
      [
        {
          state: TcpState.ESTABLISHED,
          local: '10.0.0.2',
          localPort: 5000,
          remote: '10.0.0.1',
          remotePort: 8080,
          inode: 7,
        },
      ],
      { label: 'blue', inode: 2 },
    );
    const [finding] = runRule(finWait1Blackhole, [namespaceOf([stalled()]), far]);
    expect(finding.blame).toBe('path');
    expect(finding.peers?.at(0)?.namespace.label).toBe('blue');
  });

  it('one pair, where both ends retransmit and are visible', () => {
    const mirror = stalled({
      state: TcpState.FIN_WAIT1,
      local: '10.0.0.2',
      localPort: 5000,
      remote: '10.0.0.1',
      remotePort: 8080,
      inode: 7,
    });
    const [near, far] = [namespaceOf([stalled()]), namespaceOf([mirror], { label: 'blue', inode: 2 })];
    const context = contextOf(snapshotOf([near, far]));
    expect(finWait1Blackhole.diagnose(near, [0], context)).toHaveLength(1);
    expect(finWait1Blackhole.diagnose(far, [0], context)).toHaveLength(0);
  });

  const towards = (index: number, lastAckReceivedMs: number) =>
    stalled({ inode: 0, remote: `10.9.0.${index + 1}`, info: { ...stalled().info, lastAckReceivedMs } });

  it('addresses that fell silent together', () => {
    const [finding, ...rest] = findIn(
      finWait1Blackhole,
      many(20, (index) => towards(index, 95_000 + index * 100)),
    );
    expect(rest).toEqual([]);
    expect(finding.blame).toBe('path');
    expect(finding.cause).toContain('20 different addresses fell silent together');
  });

  it('addresses that fell silent one by one, without blaming what they share', () => {
    const [finding] = findIn(
      finWait1Blackhole,
      many(20, (index) => towards(index, 95_000 + index * 4_000)),
    );
    expect(finding.blame).toBe('peer-host or path');
  });
});

describe('fin-wait-1-blackhole stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['two retransmissions', stalled({ retries: 2 })],
    ['a lone orphan with few retransmissions', stalled({ inode: 0, retries: 4 })],
    ['answered probes', stalled({ timer: TimerCode.ZERO_WINDOW_PROBE, retries: 0 })],
    ['no timer', stalled({ timer: TimerCode.NONE, retries: 0, inode: 0 })],
    ['another state', stalled({ state: TcpState.LAST_ACK })],
    [
      'a window withdrawn by a living peer',
      stalled({ info: { rtoMs: 51_200, sendWindow: 0, lastAckReceivedMs: 3_000 } }),
    ],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(finWait1Blackhole, [listener(8080), socket])).toEqual([]);
  });
});
