import type { ForecastInput } from '../../forecast/input.ts';
import type { NamespaceSnapshot, Row, Snapshot } from '../../snapshot.ts';

/** What forecasts and age bounds of one socket are worked out from. */
export function forecastInputOf(
  snapshot: Pick<Snapshot, 'timerHz'>,
  namespace: Pick<NamespaceSnapshot, 'table' | 'settings' | 'options' | 'readWithinMs'> &
    Partial<Pick<NamespaceSnapshot, 'paths'>>,
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
    readWithinMs: namespace.readWithinMs,
    pathUnreachable: isUnreachable(namespace, row),
  };
}

/** Neighbour states in which the kernel reports a host unreachable to the sockets that speak to it. */
const UNREACHABLE: ReadonlySet<string | undefined> = new Set(['FAILED', 'INCOMPLETE']);

/** Only IPv4 sockets shorten their timeouts by such reports. Undefined where the path was not looked up. */
function isUnreachable(
  { table, paths }: Pick<NamespaceSnapshot, 'table'> & Partial<Pick<NamespaceSnapshot, 'paths'>>,
  row: Row,
): boolean | undefined {
  if (!paths || paths.size === 0 || table.family(row) !== 4) return undefined;
  return UNREACHABLE.has(paths.get(table.remoteAddress(row))?.neighbour);
}
