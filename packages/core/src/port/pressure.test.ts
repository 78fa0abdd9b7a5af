import { describe, expect, it } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { DEFAULT_SETTINGS, type SocketSpec, tableOf } from '../testing.ts';
import { type ExhaustionInput, exhaustionOf } from './exhaustion.ts';
import { portFacts } from './port_facts.ts';
import { portPressure, portsToChooseFrom } from './pressure.ts';

const settings = { ...DEFAULT_SETTINGS, ip_local_port_range_low: 40_000, ip_local_port_range_high: 40_999 };

const outgoing = (index: number, more: Partial<SocketSpec> = {}): SocketSpec => ({
  state: TcpState.TIME_WAIT,
  localPort: 40_000 + index,
  remote: '10.0.0.9',
  remotePort: 443,
  expiresMs: 30_000,
  cookie: BigInt(1 + index),
  ...more,
});
const many = (from: number, to: number, more: Partial<SocketSpec> = {}) =>
  Array.from({ length: to - from }, (_, index) => outgoing(from + index, more));

const pressure = (first: SocketSpec[], second: SocketSpec[], reserved = [{ from: 40_000, to: 40_099 }]) =>
  portPressure({ table: tableOf(first), settings }, { table: tableOf(second), settings }, 2_000, reserved);

describe('pressure on local ports', () => {
  it('counts by destination, most used first, and only what has a port of the range', () => {
    const { destinations, ports, used } = pressure(
      [],
      [
        ...many(100, 110),
        ...many(200, 230, { remotePort: 80 }),
        outgoing(5, { localPort: 5_000 }),
        { state: TcpState.LISTEN, localPort: 40_500 },
        outgoing(500),
        outgoing(600, { state: TcpState.BOUND_INACTIVE }),
      ],
    );
    expect(destinations.map(({ remotePort, used: count }) => [remotePort, count])).toEqual([
      [80, 30],
      [443, 10],
    ]);
    expect({ ports, used }).toEqual({ ports: 900, used: 40 });
  });

  it('tells taken from given back by cookie, not by port', () => {
    const before = many(100, 150);
    const after = [...many(120, 150), ...many(100, 120, { cookie: undefined }), ...many(150, 190)].map(
      (socket, index) => ({ ...socket, cookie: socket.cookie ?? BigInt(9_000 + index) }),
    );
    const [only] = pressure(before, after).destinations;
    expect(only).toMatchObject({ used: 90, takenPerSecond: 30, freedPerSecond: 10, timeWait: 90 });
  });

  it('leaves reserved ports out of the choice', () => {
    expect(portsToChooseFrom(40_000, 40_999, [])).toBe(1_000);
    expect(
      portsToChooseFrom(40_000, 40_999, [
        { from: 39_990, to: 40_009 },
        { from: 8_080, to: 8_080 },
      ]),
    ).toBe(990);
    expect(portsToChooseFrom(40_000, 40_009, [{ from: 1, to: 65_535 }])).toBe(0);
  });
});

describe('time to exhaustion', () => {
  const input: ExhaustionInput = {
    ports: 1_000,
    open: 0,
    openGrowth: 0,
    taken: 0,
    elapsedMs: 1_000,
    expiriesMs: [],
    reusable: false,
    timeWaitMs: 60_000,
  };
  it.each([
    ['nothing happens', {}, undefined],
    ['ten a second settle at 600', { taken: 10 }, undefined],
    ['fifty a second need twenty seconds', { taken: 50 }, 20_000],
    ['half are gone before', { taken: 50, expiriesMs: Array(500).fill(5_000) }, 20_000],
    ['half stay that long', { taken: 50, expiriesMs: Array(500).fill(50_000) }, 10_000],
    ['connect takes over what is closed', { taken: 50, reusable: true }, undefined],
    ['open ones grow for ever', { taken: 20, openGrowth: 20 }, 50_000],
    ['beyond the minute', { ports: 10_000, taken: 20, openGrowth: 20 }, 500_000],
    ['one more open is chance', { taken: 4, openGrowth: 1 }, undefined],
    ['open ones are closed, but as many are opened', { open: 500, taken: 20, openGrowth: -40 }, 25_000],
    ['open ones are closed', { open: 500, taken: 5, openGrowth: -40 }, undefined],
  ] as const)('%s', (_, more, inMs) => {
    const answer = exhaustionOf({ ...input, ...more });
    expect(answer).toMatchObject(inMs === undefined ? { kind: 'not at this rate' } : { kind: 'in', inMs });
  });
  it('is now when no port is left', () => {
    expect(exhaustionOf({ ...input, open: 600, expiriesMs: Array(400).fill(1) }).kind).toBe('now');
  });
});

describe('facts of a port', () => {
  it('by the settings of the namespace', () => {
    expect(portFacts(40_500, settings, [{ from: 40_400, to: 40_600 }])).toMatchObject({
      isEphemeral: true,
      isReserved: true,
      isPrivileged: false,
    });
    expect(portFacts(40_500, settings, [{ from: 80, to: 80 }]).reservedWithPort).toBe('80,40500');
    expect(portFacts(80, settings, undefined)).toMatchObject({ isPrivileged: true, isReserved: undefined });
    expect(portFacts(80, { ...settings, ip_unprivileged_port_start: 0 }, []).isPrivileged).toBe(false);
  });
});
