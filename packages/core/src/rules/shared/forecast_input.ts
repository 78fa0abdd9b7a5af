import type { ForecastInput } from '../../forecast/input.ts';
import type { NamespaceSnapshot, Row, Snapshot } from '../../snapshot.ts';

/** What forecasts and age bounds of one socket are worked out from. */
export function forecastInputOf(
  snapshot: Pick<Snapshot, 'timerHz'>,
  namespace: Pick<NamespaceSnapshot, 'table' | 'settings' | 'options'>,
  row: Row,
): ForecastInput {
  const { table } = namespace;
  return {
    state: table.state(row),
    kind: table.kind(row),
    timer: table.timer(row),
    timerExpiresMs: table.timerExpiresMs(row),
    timerRetries: table.timerRetries(row),
    receiveQueue: table.receiveQueue(row),
    sendQueue: table.sendQueue(row),
    info: table.info(row),
    settings: namespace.settings,
    socketOptions: namespace.options.size === 0 ? undefined : namespace.options.get(table.cookie(row)),
    timerHz: snapshot.timerHz,
  };
}
