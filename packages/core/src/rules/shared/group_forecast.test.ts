import { describe, expect, it } from 'vitest';
import type { RuleContext, SocketRef } from '../../finding.ts';
import type { Forecast } from '../../forecast/forecast.ts';
import { TcpState } from '../../tcp/states.ts';
import { namespaceOf, snapshotOf } from '../../testing.ts';
import { groupForecast } from './group_forecast.ts';
import { refsOf } from './report.ts';
import { contextOf, many } from './testing.ts';

function forecastOf(forecasts: readonly Forecast[]): Forecast {
  const namespace = namespaceOf(many(forecasts.length, () => ({ state: TcpState.FIN_WAIT1 })));
  const context: RuleContext = {
    ...contextOf(snapshotOf([namespace])),
    forecast: ({ row }: SocketRef) => forecasts[row],
  };
  const rows = forecasts.map((_, row) => row);
  return groupForecast(refsOf(namespace, rows), context);
}

const at = (earliestMs: number, latestMs: number): Forecast => ({ kind: 'at', earliestMs, latestMs, because: 'timer' });
const never: Forecast = { kind: 'never', because: 'held' };

describe('the forecast of a group', () => {
  it('is the socket\u2019s own for one', () => {
    expect(forecastOf([at(1, 2)])).toEqual(at(1, 2));
  });
  it('spans all that have a time', () => {
    expect(forecastOf([at(5, 6), at(1, 2), at(3, 9)])).toMatchObject({ kind: 'at', earliestMs: 1, latestMs: 9 });
  });
  it('is the worst that is met, with its share', () => {
    expect(forecastOf([at(5, 6), never, at(3, 9)])).toEqual({ kind: 'never', because: '1 of 3: held' });
  });
  it('of a large group includes the timers farthest out, and says that it is a sample', () => {
    const times = Array.from({ length: 20_000 }, (_, index) => index);
    const namespace = namespaceOf(times.map((expiresMs) => ({ state: TcpState.TIME_WAIT, expiresMs })));
    const context = contextOf(snapshotOf([namespace]));
    const forecast = groupForecast(refsOf(namespace, times), context);
    expect(forecast.earliestMs).toBe(0);
    expect(forecast.latestMs).toBeGreaterThanOrEqual(19_999);
    expect(forecast.because).toContain('worked out for 1,004 of them');
  });
});
