import { TcpState } from './states.ts';

/** Spellings of other systems and tools, without separators and case. The kernel's own names are added below. */
const ALIASES: Readonly<Record<string, TcpState>> = {
  estab: TcpState.ESTABLISHED,
  synrcv: TcpState.SYN_RECV,
  synrcvd: TcpState.SYN_RECV,
  synreceived: TcpState.SYN_RECV,
  closed: TcpState.CLOSE,
  unconn: TcpState.CLOSE,
  unconnected: TcpState.CLOSE,
  listening: TcpState.LISTEN,
  bound: TcpState.BOUND_INACTIVE,
};

const STATES: ReadonlyMap<string, TcpState> = new Map([
  ...Object.entries(TcpState).map(([name, state]) => [fold(name), state] as const),
  ...Object.entries(ALIASES),
]);

/** One bit per state that exists, at the place of its kernel number. */
export const ALL_STATES: number = Object.values(TcpState).reduce((mask, state) => mask | (1 << state), 0);

/**
 * States that are asked for by two bits but reported as one. A request (NEW_SYN_RECV) is reported as SYN_RECV, and a
 * bound socket without connection (BOUND_INACTIVE) as CLOSE: who names one of a pair means both.
 */
const SYN_RECV_BITS = (1 << TcpState.SYN_RECV) | (1 << TcpState.NEW_SYN_RECV);
const CLOSE_BITS = (1 << TcpState.CLOSE) | (1 << TcpState.BOUND_INACTIVE);

const BUCKET = SYN_RECV_BITS | (1 << TcpState.TIME_WAIT);
const CONNECTED = ALL_STATES & ~(CLOSE_BITS | (1 << TcpState.LISTEN));

/**
 * The groups of ss (scan_state in iproute2 misc/ss.c) as bit masks. BOUND_INACTIVE, which ss 6.1 does not know, counts
 * as CLOSE does: it has no connection.
 */
export const STATE_GROUPS: Readonly<Record<string, number>> = {
  all: ALL_STATES,
  connected: CONNECTED,
  synchronized: CONNECTED & ~(1 << TcpState.SYN_SENT),
  bucket: BUCKET,
  big: ALL_STATES & ~BUCKET,
};

function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '');
}

/** Reads one state name in any spelling (`close-wait`, `CLOSE_WAIT`, `CloseWait`, `FIN_WAIT_1`, `SYN_RECEIVED`). */
export function parseState(word: string): TcpState | undefined {
  return STATES.get(fold(word));
}

/** Reads a state or a group of ss into a mask of `1 << state`; undefined when it is neither. */
export function parseStateMask(word: string): number | undefined {
  const state = parseState(word);
  if (state !== undefined) {
    const bit = 1 << state;
    return [SYN_RECV_BITS, CLOSE_BITS].find((pair) => pair & bit) ?? bit;
  }
  const group = fold(word);
  return Object.hasOwn(STATE_GROUPS, group) ? STATE_GROUPS[group] : undefined;
}

/** The words to offer where a state is expected: as ss writes them. */
export const STATE_WORDS: readonly string[] = [
  'established',
  'syn-sent',
  'syn-recv',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'closed',
  'close-wait',
  'last-ack',
  'listening',
  'closing',
  'bound-inactive',
  ...Object.keys(STATE_GROUPS),
];
