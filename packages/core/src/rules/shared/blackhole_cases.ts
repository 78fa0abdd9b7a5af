import { expect, it } from 'vitest';
import type { Rule } from '../../finding.ts';
import { TimerCode } from '../../tcp/kind.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../../testing.ts';
import { findIn, heldBy, listener, many, runRule } from './testing.ts';

/** For tests: a socket of a server that closed last, or at the same time, and gets no answer to its FIN. */
export function unansweredFin(state: number, more: Partial<SocketSpec> = {}): SocketSpec {
  return {
    state,
    localPort: 8080,
    inode: 0,
    sendQueue: 1,
    timer: TimerCode.RETRANSMIT,
    retries: 7,
    expiresMs: 5_000,
    info: { retransmits: 7, backoff: 7, rtoMs: 25_600, unackedSegments: 1, lastAckReceivedMs: 50_000 },
    ...more,
  };
}

/** For tests: what the blackhole rules of the states after the peer's FIN have in common. */
export function findsUnansweredFins(rule: Rule, state: number, title: string): void {
  it('orphans that get no acknowledgement', () => {
    const sockets = [listener(8080), ...many(8, (index) => unansweredFin(state, { remotePort: 5000 + index }))];
    const [finding, ...rest] = findIn(rule, sockets);
    expect(rest).toEqual([]);
    expect(finding.title).toBe(title);
    expect(finding).toMatchObject({ blame: 'peer-host or path', severity: 'notice', count: 8 });
    expect(finding.forecast.kind).toBe('at');
    expect(finding.remedies.find(({ id }) => id === 'drop')?.command).toMatch(/^lastack clear /);
  });

  it('one that a program still holds', () => {
    const socket = unansweredFin(state, { inode: 100, retries: 3 });
    const [finding] = runRule(rule, [namespaceOf([socket])], { owners: heldBy([100]) });
    expect(finding.title).toContain('node (pid 812)');
  });

  it('the dead host behind it', () => {
    const paths = new Map([['10.0.0.2', { route: 'on-link', device: 'eth0', neighbour: 'FAILED' } as const]]);
    expect(findIn(rule, [unansweredFin(state)], { paths })[0].blame).toBe('peer-host');
  });
}

/** For tests: and what they have nothing to say of. */
export function staysSilentOnOrdinaryFins(rule: Rule, state: number): void {
  const silent: [string, SocketSpec][] = [
    ['the first retransmissions', unansweredFin(state, { retries: 2 })],
    ['a lone orphan that the kernel soon drops', unansweredFin(state, { retries: 4 })],
    ['no timer', unansweredFin(state, { timer: TimerCode.NONE, retries: 0 })],
    ['a shut window', unansweredFin(state, { timer: TimerCode.ZERO_WINDOW_PROBE, retries: 0 })],
    ['another state', unansweredFin(TcpState.FIN_WAIT1)],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(rule, [listener(8080), socket])).toEqual([]);
  });
}
