import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, type SocketSpec } from '../testing.ts';
import { findIn, listener, many } from './shared/testing.ts';
import { timeWaitPortPressure } from './time-wait-port-pressure.ts';

// A range of 1,000 ports keeps the tables small.
const settings = { ...DEFAULT_SETTINGS, ip_local_port_range_low: 40_000, ip_local_port_range_high: 40_999 };

const closed = (index: number, more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.TIME_WAIT,
  localPort: 40_000 + index,
  remote: '10.0.0.9',
  remotePort: 443,
  expiresMs: 59_900 - index * 50,
  ...more,
});

describe('time-wait-port-pressure finds', () => {
  it.each([
    [500, 'notice', '50 %'],
    [750, 'warning', '75 %'],
    [950, 'critical', '95 %'],
  ])('%i of 1,000 ports as a %s', (count, severity, percent) => {
    const [finding, ...rest] = findIn(
      timeWaitPortPressure,
      many(count, (index) => closed(index)),
      { settings },
    );
    expect(rest).toEqual([]);
    expect(finding.title).toBe(`${percent} of the local ports towards 10.0.0.9:443 are in TIME_WAIT (${count})`);
    expect(finding).toMatchObject({ severity, blame: 'local-app', count });
    expect(finding.forecast.kind).toBe('at');
  });

  it('the rate and where it leads', () => {
    const [finding] = findIn(
      timeWaitPortPressure,
      many(600, (index) => closed(index)),
      { settings },
    );
    // One each 50 ms, the youngest 100 ms old: 198 within 10 s.
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '10 / 20' }));
    expect(finding.evidence).toContainEqual(expect.objectContaining({ value: '1,188: more than there are ports' }));
  });

  it.each([
    ['on loopback, where the default lets connect take ports over', '127.0.0.1', 2],
    ['with tcp_tw_reuse on', '10.0.0.9', 1],
  ])('nothing urgent %s', (_, remote, tcp_tw_reuse) => {
    const sockets = many(950, (index) => closed(index, { remote }));
    const [finding] = findIn(timeWaitPortPressure, sockets, { settings: { ...settings, tcp_tw_reuse } });
    expect(finding.severity).toBe('notice');
    expect(finding.cause).toContain('may take these ports over');
    expect(finding.remedies.map(({ command }) => command ?? '').join()).not.toContain('tcp_tw_reuse');
  });
});

describe('time-wait-port-pressure stays silent', () => {
  const silent: [string, SocketSpec[]][] = [
    ['under half', many(499, (index) => closed(index))],
    ['many, but to different destinations', many(900, (index) => closed(index, { remotePort: 1 + (index % 2) }))],
    ['many, but from different addresses', many(900, (index) => closed(index, { local: `10.0.0.${1 + (index % 2)}` }))],
    ['a server that closes first', [listener(80), ...many(900, (index) => closed(index, { localPort: 80 }))]],
    ['a listener inside the range', [listener(40_500), ...many(900, (index) => closed(index, { localPort: 40_500 }))]],
  ];
  it.each(silent)('%s', (_, sockets) => {
    expect(findIn(timeWaitPortPressure, sockets, { settings })).toEqual([]);
  });
});
