import { describe, expect, it } from 'vitest';
import { type ConntrackEntry, indexConntrack } from '../conntrack.ts';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, namespaceOf, type SocketSpec } from '../testing.ts';
import { conntrackExpiresFirst } from './conntrack-expires-first.ts';
import { heldBy, listener, many, runRule } from './shared/testing.ts';

const HERE = '10.0.0.1';
const THERE = '10.0.0.2';
const SERVICE = 8080;

/** Of a client's connection to the service here. */
const entry = (port: number, timeoutMs: number | undefined, service = SERVICE): ConntrackEntry => ({
  family: 4,
  original: { source: { address: THERE, port }, destination: { address: HERE, port: service } },
  reply: { source: { address: HERE, port: service }, destination: { address: THERE, port } },
  state: timeoutMs === undefined ? undefined : 'CLOSE_WAIT',
  timeoutMs,
  id: port,
  zone: 0,
  status: 14,
});

/** Nothing was heard of it for 40 s. */
const halfClosed = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.CLOSE_WAIT,
  localPort: SERVICE,
  remotePort: 5_000,
  inode: 100,
  info: { lastAckReceivedMs: 40_000, lastDataReceivedMs: 40_500, lastDataSentMs: 41_000 },
  ...more,
});

const own = (sockets: SocketSpec[], entries?: ConntrackEntry[]) =>
  namespaceOf(sockets, {
    conntrack: entries && indexConntrack(entries),
    settings: { ...DEFAULT_SETTINGS, nf_conntrack_tcp_timeout_close_wait: 60 },
  });

const find = (sockets: SocketSpec[], entries: ConntrackEntry[]) =>
  runRule(conntrackExpiresFirst, [own(sockets, entries)], { owners: heldBy([100]) });

describe('conntrack-expires-first finds', () => {
  it('a half-close that has waited longer than its entry has left', () => {
    const [finding, ...rest] = find([listener(SERVICE), halfClosed()], [entry(5_000, 20_000)]);
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({ blame: 'kernel-setting', severity: 'notice', count: 1 });
    expect(finding.title).toBe(
      '1 half-closed connection in CLOSE_WAIT on :8080: this host itself is about to forget it',
    );
    expect(finding.cause).toContain('for 1 min without a packet');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: 'CLOSE_WAIT, dropped in 20 s' }));
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '60 s' }));
    expect(finding.forecast.kind).toBe('never');
  });

  it('one whose entry has gone, where others of the service are tracked', () => {
    const long = halfClosed({
      info: { lastAckReceivedMs: 90_000, lastDataReceivedMs: 90_000, lastDataSentMs: 90_000 },
    });
    const [finding] = find([long], [entry(5_001, 400_000)]);
    expect(finding.title).toContain('has forgotten it');
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: 'gone' }));
  });

  it('the waiting end as well, when the other is not visible, and on a visible router', () => {
    const waiting = halfClosed({ state: TcpState.FIN_WAIT2 });
    const router = namespaceOf([], { label: 'router', inode: 2, conntrack: indexConntrack([entry(5_000, 10_000)]) });
    const [finding] = runRule(conntrackExpiresFirst, [own([waiting]), router], { owners: heldBy([100]) });
    expect(finding.title).toContain('network namespace router is about to forget it');
  });

  it('many as one', () => {
    const sockets = many(30, (index) => halfClosed({ remotePort: 5_000 + index }));
    const entries = many(30, () => halfClosed()).map((_, index) => entry(5_000 + index, 15_000));
    expect(find(sockets, entries).map(({ count }) => count)).toEqual([30]);
  });
});

describe('conntrack-expires-first stays silent', () => {
  it('while the entry has more time left than has passed', () => {
    const recent = { lastAckReceivedMs: 5_000, lastDataReceivedMs: 5_000, lastDataSentMs: 5_000 };
    expect(find([halfClosed({ info: recent })], [entry(5_000, 55_000)])).toEqual([]);
  });

  it('while data still flows over the half-close', () => {
    const busy = { lastAckReceivedMs: 30, lastDataReceivedMs: 600_000, lastDataSentMs: 40 };
    expect(find([halfClosed({ info: busy })], [entry(5_000, 59_000)])).toEqual([]);
  });

  it('for an offloaded flow, whose time is not known', () => {
    expect(find([halfClosed()], [entry(5_000, undefined)])).toEqual([]);
  });

  it('where keepalive will refresh the entry in time', () => {
    const probed = halfClosed({ timer: TimerCode.KEEPALIVE, expiresMs: 5_000 });
    expect(find([probed], [entry(5_000, 20_000)])).toEqual([]);
    expect(find([{ ...probed, expiresMs: 25_000 }], [entry(5_000, 20_000)])).toHaveLength(1);
  });

  it('without an entry, where the service was perhaps never tracked', () => {
    const long = { lastAckReceivedMs: 90_000, lastDataReceivedMs: 90_000, lastDataSentMs: 90_000 };
    expect(find([halfClosed({ info: long })], [entry(9, 400_000, 22)])).toEqual([]);
    expect(find([halfClosed({ info: long })], [])).toEqual([]);
  });

  it('for both ends on one host', () => {
    const here = halfClosed({ local: HERE, remote: THERE });
    const there = halfClosed({
      state: TcpState.FIN_WAIT2,
      local: THERE,
      localPort: 5_000,
      remote: HERE,
      remotePort: SERVICE,
      inode: 101,
    });
    expect(find([here, there], [entry(5_000, 10_000)])).toEqual([]);
  });

  it('for an orphan on its timer, and without TCP_INFO', () => {
    const orphan = halfClosed({ state: TcpState.FIN_WAIT2, inode: 0, timer: TimerCode.TIME_WAIT });
    expect(find([orphan], [entry(5_000, 10_000)])).toEqual([]);
    expect(find([halfClosed({ info: undefined })], [entry(5_000, 10_000)])).toEqual([]);
  });
});
