import { describe, expect, it } from 'vitest';
import type { Forecast } from '../forecast/forecast.ts';
import { forecastSocket } from '../forecast/socket.ts';
import { forecastInputOf } from '../rules/shared/forecast_input.ts';
import { TcpState } from '../tcp/states.ts';
import { namespaceOf, type SocketSpec, snapshotOf } from '../testing.ts';
import { groupHolders, type PortHolder } from './holders.ts';
import { freeWhen, lastToGo } from './until.ts';
import { nextTrialMs } from './wait_pace.ts';

const atMs = (earliestMs: number, latestMs: number): Forecast => ({ kind: 'at', earliestMs, latestMs, because: 'x' });

function holders(sockets: readonly SocketSpec[]): PortHolder[] {
  const namespace = namespaceOf(sockets.map((socket) => ({ localPort: 8080, ...socket })));
  const snapshot = snapshotOf([namespace]);
  return groupHolders({
    snapshot,
    isHere: () => true,
    reuse: new Map(),
    forecast: ({ row }) => forecastSocket(forecastInputOf(snapshot, namespace, row)),
  });
}

const timeWait = (expiresMs: number): SocketSpec => ({ state: TcpState.TIME_WAIT, expiresMs });

describe('the last of several', () => {
  it('goes when the slowest does', () => {
    expect(lastToGo([atMs(1, 2), atMs(50, 60), atMs(40, 70)])).toMatchObject({ earliestMs: 50, latestMs: 70 });
  });
  it('never, if one stays', () => {
    expect(lastToGo([atMs(1, 2), { kind: 'never', because: 'listens' }])).toEqual({
      kind: 'never',
      because: 'listens',
    });
    expect(
      lastToGo([
        { kind: 'unknown', because: 'u' },
        { kind: 'when', because: 'w' },
      ]).kind,
    ).toBe('unknown');
  });
});

describe('groups of holders', () => {
  it('alike ones are one group, listeners first', () => {
    const groups = holders([timeWait(30_000), timeWait(50_000), { state: TcpState.LISTEN, inode: 7 }]);
    expect(groups.map(({ state, rows }) => [state, rows.length])).toEqual([
      [TcpState.LISTEN, 1],
      [TcpState.TIME_WAIT, 2],
    ]);
  });
  it('a port held by TIME_WAIT alone is free when the last of them ends', () => {
    const until = freeWhen(holders([timeWait(30_000), timeWait(50_000)]));
    expect(until?.kind).toBe('at');
    expect(until?.earliestMs).toBeGreaterThanOrEqual(50_000);
    expect(until?.latestMs).toBeLessThan(60_000);
  });
  it('is never free by itself beside a listener, and nothing holds a free one', () => {
    expect(freeWhen(holders([timeWait(1), { state: TcpState.LISTEN, inode: 7 }]))?.kind).toBe('never');
    expect(freeWhen([])).toBeUndefined();
  });
  it('says what may keep it longer', () => {
    const mini = { state: TcpState.FIN_WAIT2, timer: 3, expiresMs: 5_000 };
    expect(freeWhen(holders([mini]))?.because).toContain('TIME_WAIT, 60 s more');
    expect(freeWhen(holders([timeWait(5_000)]))?.because).not.toContain('later');
  });
});

describe('the pace of waiting', () => {
  it('is slow while the end is far, fast when it is due, even when it is not known', () => {
    expect(nextTrialMs(atMs(60_000, 68_000), 0)).toBe(1_000);
    expect(nextTrialMs(atMs(60_000, 68_000), 59_000)).toBe(500);
    expect(nextTrialMs(atMs(60_000, 68_000), 61_000)).toBe(50);
    expect(nextTrialMs(atMs(60_000, 68_000), 70_000)).toBe(250);
    expect(nextTrialMs({ kind: 'never', because: '' }, 0)).toBe(250);
    expect(nextTrialMs(undefined, 0)).toBe(250);
  });
});
