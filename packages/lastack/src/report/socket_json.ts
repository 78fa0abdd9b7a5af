import {
  type Forecast,
  type NamespaceSnapshot,
  type Owner,
  type Row,
  type SocketTable,
  stateName,
  TimerCode,
} from '@lastack/core';

/** One socket in `lastack.sockets/1` and `lastack.report/1`. Times are milliseconds from the document's `at`. */
export interface SocketJson {
  netns: string;
  family: 'inet' | 'inet6';
  state: string;
  kind: string;
  local: { address: string; port: number };
  remote: { address: string; port: number };
  recvQueueBytes: number;
  sendQueueBytes: number;
  timer?: { kind: string; expiresMs: number; retries: number };
  forecast?: ForecastJson;
  inode: number;
  uid: number;
  /** Hexadecimal, as `ss -e` prints it behind `sk:`. */
  cookie: string;
  owners: Owner[];
  interfaceIndex?: number;
  mark?: number;
  cgroupId?: string;
}

export interface ForecastJson {
  kind: Forecast['kind'];
  earliestMs?: number;
  latestMs?: number;
  because: string;
  modes?: Forecast['modes'];
}

const TIMER_NAMES: Readonly<Record<number, string>> = {
  [TimerCode.RETRANSMIT]: 'retransmit',
  [TimerCode.KEEPALIVE]: 'keepalive',
  [TimerCode.TIME_WAIT]: 'time-wait',
  [TimerCode.ZERO_WINDOW_PROBE]: 'zero-window-probe',
};

export function socketJson(
  namespace: Pick<NamespaceSnapshot, 'label'>,
  table: SocketTable,
  row: Row,
  owners: readonly Owner[],
  forecast?: Forecast,
): SocketJson {
  const cgroupId = table.cgroupId(row);
  return {
    netns: namespace.label,
    family: table.family(row) === 4 ? 'inet' : 'inet6',
    state: stateName(table.state(row)),
    kind: table.kind(row),
    local: { address: table.localAddress(row), port: table.localPort(row) },
    remote: { address: table.remoteAddress(row), port: table.remotePort(row) },
    recvQueueBytes: table.receiveQueue(row),
    sendQueueBytes: table.sendQueue(row),
    timer: timerJson(table, row),
    forecast: forecast && forecastJson(forecast),
    inode: table.inode(row),
    uid: table.uid(row),
    cookie: table.cookie(row).toString(16),
    owners: [...owners],
    interfaceIndex: table.interfaceIndex(row) || undefined,
    mark: table.mark(row),
    cgroupId: cgroupId?.toString(),
  };
}

function timerJson(table: SocketTable, row: Row): SocketJson['timer'] {
  const kind = TIMER_NAMES[table.timer(row)];
  return kind === undefined
    ? undefined
    : { kind, expiresMs: table.timerExpiresMs(row), retries: table.timerRetries(row) };
}

/** Without the working, which only `why` shows. */
export function forecastJson({ kind, earliestMs, latestMs, because, modes }: Forecast): ForecastJson {
  return { kind, earliestMs, latestMs, because, modes };
}
