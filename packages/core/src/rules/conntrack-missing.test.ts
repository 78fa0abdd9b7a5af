import { describe, expect, it } from 'vitest';
import { type ConntrackEntry, indexConntrack } from '../conntrack.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, namespaceOf, type SocketSpec } from '../testing.ts';
import { conntrackMissing } from './conntrack-missing.ts';
import { finWait1Blackhole } from './fin-wait-1-blackhole.ts';
import { heldBy, many, runRule } from './shared/testing.ts';

const HERE = '10.0.0.1';
const THERE = '10.0.0.2';

const entry = (port: number, more: Partial<ConntrackEntry> = {}): ConntrackEntry => ({
  family: 4,
  original: { source: { address: HERE, port }, destination: { address: THERE, port: 443 } },
  reply: { source: { address: THERE, port: 443 }, destination: { address: HERE, port } },
  state: 'ESTABLISHED',
  timeoutMs: 431_999_000,
  id: port,
  zone: 0,
  status: 14,
  ...more,
});

/** Four timeouts of 200 ms and more, the present one of 3.2 s begun 1 s ago. */
const stalled = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.FIN_WAIT1,
  localPort: 50_000,
  remotePort: 443,
  inode: 7,
  timer: TimerCode.RETRANSMIT,
  retries: 4,
  expiresMs: 2_200,
  sendQueue: 1,
  info: { rtoMs: 3_200, backoff: 4, lastAckReceivedMs: 4_000, lastDataSentMs: 60_000 },
  ...more,
});

const own = (sockets: SocketSpec[], entries?: ConntrackEntry[], settings = {}) =>
  namespaceOf(sockets, {
    conntrack: entries && indexConntrack(entries),
    settings: { ...DEFAULT_SETTINGS, nf_conntrack_tcp_loose: 1, ...settings },
  });

const router = (entries: ConntrackEntry[], settings = {}) =>
  namespaceOf([], { label: 'router', inode: 2, conntrack: indexConntrack(entries), settings });

const owners = heldBy([7]);

describe('conntrack-missing finds', () => {
  it('a connection that this host tracks no more, though it tracks others', () => {
    const [finding, ...rest] = runRule(conntrackMissing, [own([stalled()], [entry(1), entry(2)])], { owners });
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({ rule: 'conntrack-missing', blame: 'path', count: 1 });
    expect(finding.title).toBe(
      '1 connection in FIN_WAIT1 to 10.0.0.2:443: no answer, and this host itself has no conntrack entry for it',
    );
    const values = finding.evidence.map(({ value }) => value);
    expect(values).toContain('none');
    expect(values).toContain('2 of this address');
    expect(finding.cause).toContain('cannot be seen from here');
    expect(finding.forecast.kind).toBe('at');
  });

  it('one that a visible router has forgotten, and says where to look', () => {
    const [finding] = runRule(conntrackMissing, [own([stalled()]), router([entry(1)])], { owners });
    expect(finding.title).toContain('network namespace router has no conntrack entry');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '1 between the same two hosts' }));
    expect(finding.wouldTell).toContain('nft list ruleset');
  });

  it('that a FIN is picked up nowhere, and data only where tcp_loose is on', () => {
    for (const [loose, words] of [
      [0, 'no connection is picked up'],
      [1, 'a FIN never'],
    ] as const) {
      const [finding] = runRule(conntrackMissing, [own([stalled()], [entry(1)], { nf_conntrack_tcp_loose: loose })], {
        owners,
      });
      expect(finding.evidence.find(({ fact }) => fact.includes('tcp_loose'))?.value).toContain(words);
    }
  });

  it.each([
    ['ESTABLISHED', TcpState.ESTABLISHED],
    ['LAST_ACK', TcpState.LAST_ACK],
    ['CLOSING', TcpState.CLOSING],
  ])('data or a FIN in %s', (_, state) => {
    const info = { rtoMs: 6_400, backoff: 5, lastAckReceivedMs: 8_000 };
    const socket = stalled({ state, info, expiresMs: 3_000, retries: 5 });
    expect(runRule(conntrackMissing, [own([socket], [entry(1)])], { owners })).toHaveLength(1);
  });

  it('many as one', () => {
    const sockets = many(50, (index) => stalled({ localPort: 50_000 + index, inode: 0 }));
    const findings = runRule(conntrackMissing, [own(sockets, [entry(1)])]);
    expect(findings.map(({ count }) => count)).toEqual([50]);
  });

  it('what is then not reported as a black hole as well', () => {
    expect(runRule(finWait1Blackhole, [own([stalled({ retries: 5 })], [entry(1)])], { owners })).toEqual([]);
    expect(runRule(finWait1Blackhole, [own([stalled({ retries: 5 })], [])], { owners })).toHaveLength(1);
  });
});

describe('conntrack-missing stays silent', () => {
  it('where nothing is tracked, or it could not be read', () => {
    expect(runRule(conntrackMissing, [own([stalled()], [])], { owners })).toEqual([]);
    expect(runRule(conntrackMissing, [own([stalled()])], { owners })).toEqual([]);
  });

  it('while the entry is there, from either end and behind address translation', () => {
    const translated = entry(1, {
      original: { source: { address: THERE, port: 443 }, destination: { address: '192.0.2.1', port: 80 } },
      reply: { source: { address: HERE, port: 50_000 }, destination: { address: THERE, port: 443 } },
    });
    for (const known of [entry(50_000), translated]) {
      expect(runRule(conntrackMissing, [own([stalled()], [known, entry(2)])], { owners })).toEqual([]);
    }
  });

  it('where a router tracks only other hosts', () => {
    const other = entry(1, {
      original: { source: { address: '10.9.9.9', port: 1 }, destination: { address: THERE, port: 443 } },
      reply: { source: { address: THERE, port: 443 }, destination: { address: '10.9.9.9', port: 1 } },
    });
    expect(runRule(conntrackMissing, [own([stalled()]), router([other])], { owners })).toEqual([]);
  });

  it('once an entry could have run out between two retransmissions', () => {
    const late = stalled({
      retries: 9,
      expiresMs: 50_000,
      info: { rtoMs: 102_400, backoff: 9, lastAckReceivedMs: 150_000 },
    });
    expect(runRule(conntrackMissing, [own([late], [entry(1)])], { owners })).toEqual([]);
    // … or a little while after the last one, with a setting as short as that.
    const short = { nf_conntrack_tcp_timeout_last_ack: 1 };
    expect(runRule(conntrackMissing, [own([stalled()], [entry(1)], short)], { owners })).toEqual([]);
  });

  it('where another connection of the service does well without an entry', () => {
    const alive: SocketSpec = {
      state: TcpState.ESTABLISHED,
      localPort: 51_000,
      remotePort: 443,
      inode: 8,
      info: { lastAckReceivedMs: 200 },
    };
    expect(runRule(conntrackMissing, [own([stalled(), alive], [entry(1)])], { owners })).toEqual([]);
    // An idle one proves nothing, and one that has its entry speaks for tracking.
    const idle = { ...alive, info: { lastAckReceivedMs: 600_000 } };
    expect(runRule(conntrackMissing, [own([stalled(), idle], [entry(1)])], { owners })).toHaveLength(1);
    expect(runRule(conntrackMissing, [own([stalled(), alive], [entry(51_000)])], { owners })).toHaveLength(1);
  });

  it('for one or two retransmissions, which any network has', () => {
    expect(runRule(conntrackMissing, [own([stalled({ retries: 2 })], [entry(1)])], { owners })).toEqual([]);
  });
});
