import type { Forecast } from '../forecast/forecast.ts';
import type { ForecastInput } from '../forecast/input.ts';
import { forecastSocket } from '../forecast/socket.ts';
import type { ClearTarget } from '../plan/target.ts';
import type { SocketOptions } from '../snapshot.ts';
import { retuneLimits } from './limits.ts';
import { differingKeys, pickOptions, type RetuneKey, type RetuneWish } from './options.ts';
import { retunedInput } from './retuned_input.ts';

/** What became of one socket. `planned` only in a dry run. */
export type RetuneOutcome =
  | 'planned'
  | 'changed'
  | 'already-so'
  | 'changed-meanwhile'
  | 'already-gone'
  | 'identity-changed'
  | 'unsupported'
  | 'not-permitted';

/** A socket whose options are to be set. */
export interface RetuneStep {
  target: ClearTarget;
  before: SocketOptions;
  /** As it is expected to read afterwards. */
  after: SocketOptions;
  /** What has to be set for that, in order; empty: it is so already. */
  keys: readonly RetuneKey[];
  forecast: { before: Forecast; after: Forecast };
  /** What the change does not do here. */
  limits: readonly string[];
}

/** A socket that cannot be retuned, or is left alone. */
export interface RetuneRefusal {
  target: ClearTarget;
  outcome: Exclude<RetuneOutcome, 'planned' | 'changed' | 'already-so'> | 'guarded';
  because?: string;
  todo?: string;
}

/** @returns undefined when this kernel does not have one of the options */
export function planRetune(
  target: ClearTarget,
  input: ForecastInput,
  before: SocketOptions,
  wish: RetuneWish,
): RetuneStep | RetuneRefusal {
  if (wish.rtoMaxMs !== undefined && before.rtoMaxMs === undefined) {
    const because = 'this kernel has no TCP_RTO_MAX_MS';
    return { target, outcome: 'unsupported', because, todo: 'use Linux 6.15 or later, or leave --rto-max out' };
  }
  const keys = differingKeys(before, wish);
  const after = { ...before, ...pickOptions(wish, keys) };
  return {
    target,
    before,
    after,
    keys,
    forecast: {
      before: forecastSocket({ ...input, socketOptions: before }),
      after: forecastSocket(retunedInput(input, before, after)),
    },
    limits: keys.length === 0 ? [] : retuneLimits(input, keys, after),
  };
}
