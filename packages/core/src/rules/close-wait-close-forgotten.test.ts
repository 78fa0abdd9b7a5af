import { describe, expect, it } from 'vitest';
import { TimerCode } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec } from '../testing.ts';
import { closeWaitCloseForgotten } from './close-wait-close-forgotten.ts';
import { activityOf, findIn, heldBy, listener, many, runRule } from './shared/testing.ts';

const leaked = (index: number, more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.CLOSE_WAIT,
  localPort: 8080,
  inode: 100 + index,
  info: { lastAckReceivedMs: 300_000, lastDataReceivedMs: 310_000 },
  ...more,
});

describe('close-wait-close-forgotten finds', () => {
  it('ten thousand leaks of one program as one finding', () => {
    const sockets = [listener(8080), ...many(10_000, (index) => leaked(index))];
    const owners = heldBy(many(10_000, leaked).map((_, index) => 100 + index));
    const findings = runRule(closeWaitCloseForgotten, [namespaceOf(sockets)], { owners });
    expect(findings).toHaveLength(1);
    const [finding] = findings;
    expect(finding.title).toBe('10,000 connections in CLOSE_WAIT on :8080: node (pid 812) never closes them');
    expect(finding).toMatchObject({ blame: 'local-app', severity: 'critical', count: 10_000 });
    expect(finding.sockets).toHaveLength(10_000);
    expect(finding.forecast.kind).toBe('never');
    expect(finding.age?.fromMs).toBeGreaterThan(299_000);
    expect(finding.age?.toMs).toBeLessThan(311_000);
    expect(finding.peers).toBeUndefined();
  });

  it('a client that leaks connections to one server', () => {
    const sockets = many(2, (index) =>
      leaked(index, { localPort: 40_000 + index, remote: '10.0.0.9', remotePort: 443 }),
    );
    const [finding] = runRule(closeWaitCloseForgotten, [namespaceOf(sockets)], { owners: heldBy([100, 101]) });
    expect(finding.title).toContain('to 10.0.0.9:443');
  });

  it('a crawler that leaks towards thousands of servers as one finding', () => {
    const sockets = many(3_000, (index) =>
      leaked(index, { localPort: 40_000 + index, remote: `10.0.${index >> 8}.${index & 255}`, remotePort: 443 }),
    );
    const owners = heldBy(sockets.map(({ inode }) => inode ?? 0));
    const findings = runRule(closeWaitCloseForgotten, [namespaceOf(sockets)], { owners });
    expect(findings.map(({ count }) => count)).toEqual([3_000]);
    expect(findings[0].title).toContain('to port 443 of 3,000 addresses');
  });

  it('two programs on one port as two findings, the workers of one unit as one', () => {
    const sockets = [listener(8080), ...many(4, (index) => leaked(index))];
    const owners = new Map([
      ...heldBy([100], { pid: 1, command: 'a' }),
      ...heldBy([101], { pid: 2, command: 'b' }),
      ...heldBy([102], { pid: 3, command: 'w', unit: 'web.service' }),
      ...heldBy([103], { pid: 4, command: 'w', unit: 'web.service' }),
    ]);
    const findings = runRule(closeWaitCloseForgotten, [namespaceOf(sockets)], { owners });
    expect(findings.map(({ count }) => count)).toEqual([1, 1, 2]);
    expect(findings[2].title).toContain('web.service (w, pids 3 and 4)');
    expect(findings[2].remedies.find(({ id }) => id === 'restart')?.command).toBe('systemctl restart web.service');
  });

  it('that nothing waits for the descriptors, and says so', () => {
    const activity = new Map([[812, activityOf(812, ['futex', 'futex'])]]);
    const sockets = [listener(8080), leaked(0)];
    const [finding] = runRule(closeWaitCloseForgotten, [namespaceOf(sockets)], { owners: heldBy([100]), activity });
    expect(finding.cause).toContain('Neither a thread nor an epoll set');
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ fact: 'threads of node (pid 812)', value: '2 in futex' }),
    );
  });

  it('no such thing where a thread is running: it may be looking', () => {
    const activity = new Map([[812, activityOf(812, ['futex', 'running'])]]);
    const [finding] = runRule(closeWaitCloseForgotten, [namespaceOf([leaked(0)])], { owners: heldBy([100]), activity });
    expect(finding.cause).not.toContain('Neither');
  });

  it('sockets that two processes hold, and names both', () => {
    const owners = new Map([
      [
        100,
        [
          { pid: 5, command: 'master', fd: 9 },
          { pid: 6, command: 'worker', fd: 9 },
        ],
      ],
    ]);
    const [finding] = runRule(closeWaitCloseForgotten, [namespaceOf([leaked(0)])], { owners });
    expect(finding.evidence).toContainEqual(
      expect.objectContaining({ value: 'master (pid 5) and worker (pid 6)', source: '/proc/*/fd' }),
    );
  });

  it('growth only from upper bounds', () => {
    const recent = { lastAckReceivedMs: 3_000, lastDataReceivedMs: 4_000 };
    const sockets = [listener(8080), leaked(0, { info: recent }), leaked(1, { info: recent }), leaked(2)];
    const [finding] = findIn(closeWaitCloseForgotten, sockets);
    const growth = finding.evidence.find(({ fact }) => fact.startsWith('entered the state'));
    expect(growth?.value).toBe('2 / 2 / 3');
  });

  it('the pair, where the FIN_WAIT2 of the other end is visible', () => {
    const near = namespaceOf([leaked(0, { remotePort: 5000 })]);
    const far = namespaceOf(
      [
        {
          state: TcpState.FIN_WAIT2,
          local: '10.0.0.2',
          localPort: 5000,
          remote: '10.0.0.1',
          remotePort: 8080,
          inode: 7,
        },
      ],
      { label: 'blue', inode: 2 },
    );
    const [finding] = runRule(closeWaitCloseForgotten, [near, far]);
    expect([...(finding.peers ?? [])]).toEqual([{ namespace: far, row: 0 }]);
    expect(finding.evidence).toContainEqual(expect.objectContaining({ fact: 'other end seen in FIN_WAIT2' }));
  });

  it('remedies from gentle to harsh, each command exact', () => {
    const [finding] = runRule(closeWaitCloseForgotten, [namespaceOf([leaked(0, { remotePort: 5000 })])], {
      owners: heldBy([100]),
    });
    expect(finding.remedies.map(({ id }) => id)).toEqual(['fix-program', 'drop', 'restart']);
    expect(finding.remedies[1].command).toMatch(/^lastack clear cookie:[0-9a-f]+ --dry-run$/);
  });
});

describe('close-wait-close-forgotten stays silent', () => {
  const silent: [string, SocketSpec][] = [
    ['just entered', leaked(0, { info: { lastAckReceivedMs: 500, lastDataReceivedMs: 600 } })],
    ['a half-close in active use', leaked(0, { info: { lastAckReceivedMs: 40, lastDataReceivedMs: 900_000 } })],
    ['something unread', leaked(0, { receiveQueue: 1 })],
    ['not accepted yet', leaked(0, { inode: 0 })],
    ['data retransmitted into nothing', leaked(0, { timer: TimerCode.RETRANSMIT, retries: 4 })],
    ['data waiting for a window', leaked(0, { timer: TimerCode.ZERO_WINDOW_PROBE })],
    ['open', leaked(0, { state: TcpState.ESTABLISHED })],
    ['no TCP_INFO, so no age', leaked(0, { info: undefined })],
  ];
  it.each(silent)('%s', (_, socket) => {
    expect(findIn(closeWaitCloseForgotten, [listener(8080), socket])).toEqual([]);
  });
});
