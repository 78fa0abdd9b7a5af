import { ladderOf } from './ladder.ts';
import type { Abilities, MeansId, PlannedStep, Preview, Refusal } from './means.ts';
import type { ClearTarget } from './target.ts';

/** The pure half of a remedy: what planning asks of it. */
export interface MeansFacts {
  refuse(target: ClearTarget, abilities: Abilities): Refusal | undefined;
  preview(target: ClearTarget): Preview;
}

export interface PlanOptions {
  abilities: Abilities;
  /** The means that exist. */
  means: Readonly<Partial<Record<MeansId, MeansFacts>>>;
  /** `--method`: this one or none. */
  forced?: MeansId;
  /** Means already tried on a target without effect. */
  tried?: (target: ClearTarget) => ReadonlySet<MeansId>;
}

/** Chooses the gentlest means that works for each target. */
export function planSteps(targets: readonly ClearTarget[], options: PlanOptions): PlannedStep[] {
  return targets.map((target) => planStep(target, options));
}

function planStep(target: ClearTarget, { abilities, means, forced, tried }: PlanOptions): PlannedStep {
  const ladder = forced === undefined ? ladderOf(target) : [forced];
  const done = tried?.(target);
  let refusal: Refusal | undefined;
  for (const id of ladder) {
    const facts = means[id];
    if (!facts || done?.has(id)) continue;
    const reason = abilities.refusals[id] ?? facts.refuse(target, abilities);
    if (!reason)
      return { target, means: id, preview: asFarAsItGets(target, facts.preview(target)), refusal: undefined };
    // The gentlest means' reason is the most useful one, unless a later one is only a matter of permission.
    if (!refusal || (refusal.outcome === 'unsupported' && reason.outcome === 'not-permitted')) refusal = reason;
  }
  refusal ??= { outcome: 'unsupported', because: 'no means can end a socket in this state; its program must close it' };
  return { target, means: undefined, preview: undefined, refusal };
}

/** Where a finding says that nothing sent is answered, the same may become of whatever ends the connection. */
function asFarAsItGets({ rule }: ClearTarget, preview: Preview): Preview {
  const { peerSees, remains } = preview;
  if (!rule?.endsWith('-blackhole') || peerSees.startsWith('nothing')) return preview;
  return {
    ...preview,
    peerSees: `${peerSees} if it arrives: nothing sent before was answered`,
    remains: [remains, 'the end of the peer if it does not'].filter((part) => part !== undefined).join('; '),
  };
}
