import { type Abilities, type ClearTarget, type MeansId, type Refusal, TcpState } from '@lastack/core';
import type { Effects } from '../effects.ts';
import { makeStateDirectory } from '../journal/state_directory.ts';
import { REMEDIES } from './mod.ts';
import { orphanTrial } from './orphan_probe.ts';

/**
 * What this kernel and this user permit, for these targets: nothing is tried that none of them needs.
 * @param forced the only means that comes into question
 */
export async function findAbilities(
  effects: Effects,
  targets: readonly ClearTarget[],
  forced?: MeansId,
): Promise<Abilities> {
  const refusals: Partial<Record<MeansId, Refusal>> = {};
  for (const remedy of Object.values(REMEDIES)) {
    if (forced !== undefined && remedy.id !== forced) continue;
    const refusal = await remedy.probe?.(effects);
    if (refusal) refusals[remedy.id] = refusal;
  }
  // Untried counts as broken: an orphan that is left alone ends some day, one that was broken never.
  const isNeeded = !refusals.destroy && targets.some(isRunDownByTimer);
  const destroyBreaksOrphans = !isNeeded || (await orphanTrial(effects, cacheDirectory(effects))).verdict !== 'ends';
  return { refusals, destroyBreaksOrphans };
}

function isRunDownByTimer({ kind, state }: ClearTarget): boolean {
  const { FIN_WAIT1, CLOSING, LAST_ACK } = TcpState;
  return kind === 'orphan' && (state === FIN_WAIT1 || state === CLOSING || state === LAST_ACK);
}

/** Undefined where nothing can be kept: then it is tried each time. */
function cacheDirectory(effects: Effects): string | undefined {
  try {
    return makeStateDirectory(effects);
  } catch {
    return undefined;
  }
}
