import { type Forecast, forecastInputOf, forecastSocket, type Row, type SocketTable } from '@lastack/core';
import type { ListedNamespace } from './list_sockets.ts';

const NO_OPTIONS: ReadonlyMap<bigint, never> = new Map<bigint, never>();

/**
 * Forecast of a listed socket. Its own options are not read for a list: forecasts that depend on them say so.
 * @param readWithinMs how long after the moment from which the forecast counts the socket was read, at the latest
 */
export function forecastListed(
  table: SocketTable,
  row: Row,
  { settings }: Pick<ListedNamespace, 'settings'>,
  timerHz: number | undefined,
  readWithinMs: number,
): Forecast {
  return forecastSocket(forecastInputOf({ timerHz }, { table, settings, options: NO_OPTIONS, readWithinMs }, row));
}
