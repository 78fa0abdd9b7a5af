import type { MeansId } from '@lastack/core';
import { makeAbort } from './abort/mod.ts';
import { DEFAULT_BLOCK_MS, makeBlock } from './block/mod.ts';
import { closeGracefully } from './close-gracefully/mod.ts';
import { conntrack } from './conntrack/mod.ts';
import { destroy } from './destroy/mod.ts';
import type { Remedy } from './remedy.ts';
import { reset } from './reset/mod.ts';
import { resetPathRemedy } from './reset-path/mod.ts';
import { restart } from './restart/mod.ts';
import { makeSignal } from './signal/mod.ts';
import { sweepOrphans } from './sweep-orphans/mod.ts';

/** Every means there is, by its id. One line each. */
export const REMEDIES: Readonly<Partial<Record<MeansId, Remedy>>> = {
  'close-gracefully': closeGracefully,
  destroy,
  abort: makeAbort({ silent: false }),
  reset,
  'reset-path': resetPathRemedy,
  conntrack,
  block: makeBlock({ verdict: 'reject', timeoutMs: DEFAULT_BLOCK_MS }),
  signal: makeSignal({ signal: 'TERM' }),
  restart,
  'sweep-orphans': sweepOrphans,
};
