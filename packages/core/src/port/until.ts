import type { Forecast } from '../forecast/forecast.ts';
import { TcpState } from '../tcp/states.ts';
import type { PortHolder } from './holders.ts';

const WORST_FIRST = ['never', 'unknown', 'when', 'at'] as const;

/** When the last of several sockets is gone: a group is as bad as its worst, and all are to go. */
export function lastToGo(forecasts: readonly Forecast[]): Forecast {
  const kind = WORST_FIRST.find((worst) => forecasts.some((forecast) => forecast.kind === worst)) ?? 'unknown';
  const ofKind = forecasts.filter((forecast) => forecast.kind === kind);
  const because = ofKind[0]?.because ?? 'no socket to forecast';
  if (kind !== 'at') return { kind, because };
  const [earliestMs, latestMs] = (['earliestMs', 'latestMs'] as const).map((bound) =>
    ofKind.reduce((most, forecast) => Math.max(most, forecast[bound] ?? 0), 0),
  );
  const last = ofKind.find((forecast) => forecast.latestMs === latestMs);
  return { kind, earliestMs, latestMs, because: last?.because ?? because };
}

/** States that a live peer moves on to TIME_WAIT, which holds the port for 60 s more. */
const TO_TIME_WAIT: ReadonlySet<number> = new Set([TcpState.FIN_WAIT1, TcpState.FIN_WAIT2, TcpState.CLOSING]);

/** What may keep the port longer than the forecast of these sockets; undefined when nothing may. */
function proviso(holders: readonly PortHolder[]): string | undefined {
  if (holders.some(({ state }) => TO_TIME_WAIT.has(state))) {
    return 'later if the peer answers after all: the connection then goes through TIME_WAIT, 60 s more';
  }
  if (holders.some(({ kind }) => kind === 'full')) {
    return 'later if the peer answers after all, or if the program itself had bound the port and keeps its descriptor';
  }
  return undefined;
}

/**
 * When a bind that all of these refuse would succeed: when the last is gone. `at` carries times only where every one has
 * them; the first bound is the earliest at which the last can be gone.
 */
export function freeWhen(blockers: readonly PortHolder[]): Forecast | undefined {
  if (blockers.length === 0) return undefined;
  const forecast = lastToGo(blockers.map(({ last }) => last));
  if (forecast.kind !== 'at') return forecast;
  const unless = proviso(blockers);
  return unless === undefined ? forecast : { ...forecast, because: `${forecast.because}; ${unless}` };
}
