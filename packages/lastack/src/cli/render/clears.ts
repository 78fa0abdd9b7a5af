import { dependsOnUnreadOption, type Forecast } from '@lastack/core';

/**
 * The CLEARS column: `58-61s`, `1m42s|3m25s` for two possible times, `never`, `if silent <16m` (no bound at all as long as
 * the peer answers), `depends`, `unknown`. A question mark behind a time: an option of the socket that was not read may
 * change it.
 */
export function clearsText(forecast: Forecast): string {
  return dependsOnUnreadOption(forecast) ? `${timeText(forecast)}?` : timeText(forecast);
}

function timeText(forecast: Forecast): string {
  const { kind, modes, earliestMs, latestMs } = forecast;
  if (kind === 'never' || kind === 'unknown') return kind;
  if (kind === 'when') return latestMs === undefined ? 'depends' : `if silent <${compactDuration(latestMs, Math.ceil)}`;
  if (modes && modes.length > 1) return modes.map((mode) => rangeText(mode.earliestMs, mode.latestMs)).join('|');
  return rangeText(earliestMs ?? 0, latestMs ?? earliestMs ?? 0);
}

function rangeText(earliestMs: number, latestMs: number): string {
  const from = compactDuration(earliestMs, Math.floor);
  const to = compactDuration(latestMs, Math.ceil);
  if (from === to) return to;
  // `58-61s`: the unit once where both have the same single one.
  const single = /^\d+(\D)$/;
  const [a, b] = [single.exec(from), single.exec(to)];
  return a && b && a[1] === b[1] ? `${from.slice(0, -1)}-${to}` : `${from}-${to}`;
}

/** One or two units without spaces: `42s`, `15m38s`, `2h11m`, `3d4h`. */
export function compactDuration(ms: number, round: (value: number) => number = Math.round): string {
  const seconds = Math.max(0, round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return two(seconds, 60, 'm', 's');
  const minutes = round(ms / 60_000);
  if (minutes < 2880) return two(minutes, 60, 'h', 'm');
  return two(round(ms / 3_600_000), 24, 'd', 'h');
}

function two(value: number, divisor: number, large: string, small: string): string {
  const rest = value % divisor;
  return `${Math.floor(value / divisor)}${large}${rest > 0 ? `${rest}${small}` : ''}`;
}
