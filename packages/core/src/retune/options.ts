import type { Settings, SocketOptions } from '../snapshot.ts';

/** The options to be set on a socket; what is absent stays as it is. */
export type RetuneWish = Readonly<Partial<SocketOptions>>;
export type RetuneKey = keyof SocketOptions;

/**
 * The order in which options are set. SO_KEEPALIVE comes behind its times, which it starts the timer with; of the
 * times only TCP_KEEPIDLE sets a running timer anew, so the other two come before it.
 */
export const RETUNE_ORDER: readonly RetuneKey[] = [
  'keepaliveIntervalSeconds',
  'keepaliveProbes',
  'keepaliveIdleSeconds',
  'keepalive',
  'userTimeoutMs',
  'linger2Seconds',
  'synCount',
  'rtoMaxMs',
];

/** What the kernel accepts (measured on 6.18); TCP_LINGER2 takes any number but acts as if it were cut to this. */
export const RETUNE_RANGES = {
  keepaliveIdleSeconds: [1, 32_767],
  keepaliveIntervalSeconds: [1, 32_767],
  keepaliveProbes: [1, 127],
  userTimeoutMs: [0, 2_147_483_647],
  linger2Seconds: [-1, 120],
  synCount: [1, 127],
  rtoMaxMs: [1000, 120_000],
} as const satisfies Partial<Record<RetuneKey, readonly [number, number]>>;

/** TCP_RTO_MAX_MS is kept in ticks of the kernel, rounded up; the coarsest tick is 10 ms. */
const TICK_MS = 10;

/** Whether an option that was set to `wanted` may read `read`. */
export function isAsSet(key: RetuneKey, wanted: SocketOptions[RetuneKey], read: SocketOptions[RetuneKey]): boolean {
  if (key !== 'rtoMaxMs' || typeof wanted !== 'number' || typeof read !== 'number') return wanted === read;
  return read >= wanted && read < wanted + TICK_MS;
}

/** The options of the wish that differ from what the socket has, in the order in which to set them. */
export function differingKeys(present: SocketOptions, wish: RetuneWish): RetuneKey[] {
  return RETUNE_ORDER.filter((key) => wish[key] !== undefined && !isAsSet(key, wish[key], present[key]));
}

/** Those options alone. */
export function pickOptions(options: RetuneWish, keys: readonly RetuneKey[]): RetuneWish {
  return Object.fromEntries(keys.map((key) => [key, options[key]]));
}

/**
 * `linger2Seconds: 0` asks for the default of the socket's namespace: the number that it has now is set, as the kernel
 * does not tell a default from a value of the socket's own.
 */
export function wishIn(wish: RetuneWish, { tcp_fin_timeout: finTimeout }: Settings): RetuneWish {
  if (wish.linger2Seconds !== 0 || finTimeout === undefined) return wish;
  return { ...wish, linger2Seconds: Math.min(finTimeout, RETUNE_RANGES.linger2Seconds[1]) };
}
