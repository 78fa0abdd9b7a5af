import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { establishedBlackhole } from './established-blackhole.ts';
import { findIn, heldBy, listener, runRule } from './shared/testing.ts';

const stalled = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.ESTABLISHED,
  localPort: 45_000,
  remote: '10.0.0.9',
  remotePort: 5432,
  inode: 100,
  sendQueue: 700,
  timer: TimerCode.RETRANSMIT,
  retries: 6,
  expiresMs: 5_000,
  info: { retransmits: 6, backoff: 6, rtoMs: 12_800, unackedSegments: 1, lastAckReceivedMs: 20_000 },
  ...more,
});

describe('established-blackhole finds', () => {
  it('data that a client sends into nothing', () => {
    const [finding] = runRule(establishedBlackhole, [namespaceOf([stalled()])], { owners: heldBy([100]) });
    expect(finding.title).toBe('1 connection in ESTABLISHED to 10.0.0.9:5432: no answer to the data (node (pid 812))');
    expect(finding.blame).toBe('peer-host or path');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '700 bytes' }));
  });

  it('the same in CLOSE_WAIT with data left', () => {
    expect(findIn(establishedBlackhole, [stalled({ state: TcpState.CLOSE_WAIT })])[0].title).toContain('CLOSE_WAIT');
  });
});

/** Stages of one stall, as a busy machine shows them in one dump: timeouts, probes, TCP_INFO read or not. */
const STAGES: readonly Partial<SocketSpec>[] = [
  { retries: 3, info: { retransmits: 3, backoff: 3, rtoMs: 1_600, lastAckReceivedMs: 5_400 } },
  { retries: 4, info: { retransmits: 4, backoff: 4, rtoMs: 3_200, lastAckReceivedMs: 6_900 } },
  { retries: 8, info: { retransmits: 8, backoff: 8, rtoMs: 51_200, lastAckReceivedMs: 70_000 } },
  { retries: 5, info: { retransmits: 5, backoff: 2, rtoMs: 800, lastAckReceivedMs: 9_000 } },
  { timer: TimerCode.ZERO_WINDOW_PROBE, retries: 4, info: { backoff: 4, rtoMs: 200, lastAckReceivedMs: 8_000 } },
  { retries: 6, info: undefined },
];
const INODES = STAGES.map((_, index) => 100 + index);
const inAllStages = STAGES.map((stage, index) => stalled({ inode: 100 + index, localPort: 45_000 + index, ...stage }));
/** Vouches that the peer's host lives: but only a stall of more than 6 s is older than its last word. */
const witness = stalled({ inode: 200, timer: TimerCode.NONE, retries: 0, info: { lastAckReceivedMs: 6_000 } });

describe('established-blackhole gives one finding', () => {
  it('for sockets of one service in all stages of a stall', () => {
    const [finding, ...rest] = runRule(establishedBlackhole, [namespaceOf(inAllStages)], { owners: heldBy(INODES) });
    expect(rest).toEqual([]);
    expect(finding.count).toBe(STAGES.length);
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ fact: 'retransmissions without an acknowledgement', value: '3 to 8' }),
    );
  });

  it('and the strongest evidence of any speaks for all: the longest stall proves that the host lives', () => {
    const namespace = namespaceOf([...inAllStages, witness]);
    const [finding, ...rest] = runRule(establishedBlackhole, [namespace], { owners: heldBy([...INODES, 200]) });
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({ blame: 'path', count: STAGES.length });
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ fact: 'another connection heard from the same address' }),
    );
  });

  it('where IPv4 and IPv6 sockets speak to one IPv4 host, though only one of them has a witness', () => {
    const mapped = { family: 6, local: '::ffff:10.0.0.1', remote: '::ffff:10.0.0.9' } as const;
    const sockets = inAllStages.map((socket, index) => (index % 2 === 0 ? socket : { ...socket, ...mapped }));
    const namespace = namespaceOf([...sockets, witness]);
    const [finding, ...rest] = runRule(establishedBlackhole, [namespace], { owners: heldBy([...INODES, 200]) });
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({ blame: 'path', count: STAGES.length });
  });

  it('where a second process holds some of the sockets, and names both', () => {
    const owners = heldBy(INODES);
    const [shared] = owners.get(102) ?? [];
    owners.set(102, [shared, { pid: 900, command: 'worker', fd: 3 }]);
    const [finding, ...rest] = runRule(establishedBlackhole, [namespaceOf(inAllStages)], { owners });
    expect(rest).toEqual([]);
    expect(finding.title).toContain('(node and worker (pids 812 and 900))');
    expect(finding.count).toBe(STAGES.length);
  });

  it('but one each for hosts of which different things are known, and for different programs', () => {
    const elsewhere = stalled({ inode: 300, remote: '10.0.0.8' });
    const owners = heldBy([100, 300]);
    owners.set(101, [{ pid: 901, command: 'cron', fd: 3 }]);
    const sockets = [inAllStages[2], { ...inAllStages[2], inode: 101 }, elsewhere, witness];
    const findings = runRule(establishedBlackhole, [namespaceOf(sockets)], { owners });
    expect(findings.map(({ blame, count }) => [blame, count])).toEqual([
      ['path', 1],
      ['path', 1],
      ['peer-host or path', 1],
    ]);
  });
});

describe('established-blackhole stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['loss on a slow link', stalled({ retries: 2 })],
    ['a client that paused for four seconds', stalled({ retries: 4, info: { lastAckReceivedMs: 4_000 } })],
    ['data in flight', stalled({ retries: 0 })],
    ['idle', stalled({ timer: TimerCode.NONE, retries: 0 })],
    ['keepalive probes', stalled({ timer: TimerCode.KEEPALIVE, retries: 5 })],
    [
      'ACKs that come with a withdrawn window',
      stalled({ info: { sendWindow: 0, rtoMs: 12_800, lastAckReceivedMs: 6_000 } }),
    ],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(establishedBlackhole, [listener(8080), socket])).toEqual([]);
  });
});
