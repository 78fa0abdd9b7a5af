import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { findIn, heldBy, listener, many, runRule } from './shared/testing.ts';
import { synSentUnanswered } from './syn-sent-unanswered.ts';

const unanswered = (more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.SYN_SENT,
  localPort: 45_000,
  remote: '10.0.0.9',
  remotePort: 5432,
  inode: 100,
  sendQueue: 1,
  timer: TimerCode.RETRANSMIT,
  retries: 4,
  expiresMs: 500,
  info: { rtoMs: 1_000, retransmits: 4 },
  ...more,
});

describe('syn-sent-unanswered finds', () => {
  it('attempts of one program as one finding', () => {
    const sockets = many(40, (index) => unanswered({ localPort: 45_000 + index, inode: 100 + index }));
    const owners = heldBy(sockets.map(({ inode }) => inode ?? 0));
    const [finding, ...rest] = runRule(synSentUnanswered, [namespaceOf(sockets)], { owners });
    expect(rest).toEqual([]);
    expect(finding.title).toBe('40 connection attempts to 10.0.0.9:5432: no answer at all (node (pid 812))');
    expect(finding.blame).toBe('peer-host or path');
    expect(finding.forecast.kind).toBe('at');
  });

  it('a dead neighbour', () => {
    const paths = new Map([['10.0.0.9', { route: 'on-link', device: 'eth0', neighbour: 'FAILED' } as const]]);
    expect(findIn(synSentUnanswered, [unanswered()], { paths })[0].blame).toBe('peer-host');
  });

  it('a living host whose silence has two possible reasons', () => {
    const other: SocketSpec = {
      state: TcpState.ESTABLISHED,
      remote: '10.0.0.9',
      inode: 5,
      info: { lastAckReceivedMs: 50 },
    };
    const [finding] = findIn(synSentUnanswered, [unanswered(), other]);
    expect(finding.blame).toBe('peer-host or path');
    expect(finding.cause).toContain('The host lives');
    expect(finding.wouldTell).toContain('ss -ltn');
  });
});

describe('syn-sent-unanswered stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['one repeat', unanswered({ retries: 1 })],
    ['another state', unanswered({ state: TcpState.ESTABLISHED })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(synSentUnanswered, [socket])).toEqual([]);
  });

  it('its listener is visible and full: reported there', () => {
    const full = listener(5432, { local: '10.0.0.9', sendQueue: 1, receiveQueue: 2 });
    expect(runRule(synSentUnanswered, [namespaceOf([unanswered()]), namespaceOf([full], { inode: 2 })])).toHaveLength(
      0,
    );
  });

  it('a full wildcard listener in another namespace, only where the address is seen to live there', () => {
    const full = listener(5432, { sendQueue: 1, receiveQueue: 2 });
    const queued: SocketSpec = { state: TcpState.ESTABLISHED, local: '10.0.0.9', localPort: 5432 };
    const near = namespaceOf([unanswered()]);
    expect(runRule(synSentUnanswered, [near, namespaceOf([full, queued], { inode: 2 })])).toHaveLength(0);
    expect(runRule(synSentUnanswered, [near, namespaceOf([full], { inode: 2 })])).toHaveLength(1);
  });
});
