import type { ClearTarget } from '@lastack/core';
import { compactTargets, TARGETS_PER_ENTRY } from '../../journal/target_data.ts';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { holdersOf, holdsAny } from '../signal/process_hold.ts';
import { protectedProcesses } from '../signal/protected.ts';
import { systemctl } from './systemctl.ts';
import { isInControlGroup, lookUpUnit } from './unit.ts';

/** Longer than systemd waits for a service to stop (90 s) and to start (90 s) unless told otherwise. */
const RESTART_LIMIT_MS = 200_000;

/** Restarts each service that holds targets, one after the other. One attempt per target. */
export async function restartUnits(
  context: ApplyContext,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  const reasons = await protectedProcesses(context.effects);
  const results = new Map<string, Attempt>();
  for (const [unit, held] of targetsByUnit(targets)) {
    if (context.signal.aborted) break;
    results.set(unit, (await refusalOf(context, unit, held, reasons)) ?? (await restartUnit(context, unit, held)));
    context.progress(targets.filter((target) => unitsOf(target).every((each) => results.has(each))).length);
  }
  return targets.map((target) => {
    const attempts = unitsOf(target).map((unit) => results.get(unit));
    return attempts.find((attempt) => attempt?.outcome !== 'applied') ?? attempts[0];
  });
}

function unitsOf({ owners }: ClearTarget): string[] {
  return [...new Set(owners.flatMap(({ unit }) => unit ?? []))];
}

function targetsByUnit(targets: readonly ClearTarget[]): Map<string, ClearTarget[]> {
  const byUnit = new Map<string, ClearTarget[]>();
  for (const target of targets) {
    for (const unit of unitsOf(target)) {
      const held = byUnit.get(unit);
      if (held) held.push(target);
      else byUnit.set(unit, [target]);
    }
  }
  return byUnit;
}

/** Why the unit is left alone: systemd does not know it, it is the session's own, or it is not what holds the sockets. */
async function refusalOf(
  { effects }: ApplyContext,
  unit: string,
  held: readonly ClearTarget[],
  reasons: ReadonlyMap<number, string>,
): Promise<Attempt | undefined> {
  const state = await lookUpUnit(effects, unit);
  if ('because' in state) return { outcome: 'unsupported', ...state };
  const { controlGroup } = state;
  for (const [pid, reason] of reasons) {
    if (!isInControlGroup(effects, pid, controlGroup)) continue;
    return { outcome: 'not-permitted', because: `${unit} is left alone: process ${pid} runs in it, and ${reason}` };
  }
  const holders = [...holdersOf(held).values()];
  // A user's own manager has units of the same names; only the system's are restarted.
  if (holders.some((holder) => isInControlGroup(effects, holder.pid, controlGroup) && holdsAny(effects, holder))) {
    return undefined;
  }
  const because = `no process of the system's ${unit} holds it: it was not restarted`;
  return { outcome: 'unsupported', because, todo: 'run it again, or use --method signal' };
}

async function restartUnit(
  { effects, journal, signal }: ApplyContext,
  unit: string,
  held: readonly ClearTarget[],
): Promise<Attempt> {
  const sockets = `${held.length} ${held.length === 1 ? 'socket' : 'sockets'}`;
  const summary = `restart of ${unit}, which holds ${sockets} of those meant`;
  const data = { unit, targets: compactTargets(held.slice(0, TARGETS_PER_ENTRY)) };
  const id = journal.begin({ action: 'restart', summary, data });
  const { code, complaint, isMissing } = await systemctl(effects, ['restart', '--', unit], {
    limitMs: RESTART_LIMIT_MS,
    signal,
  });
  const attempt = attemptOf(unit, code, complaint, isMissing);
  journal.end(id, { action: 'restart', summary: attempt.because ?? `${unit} was restarted` });
  return attempt;
}

function attemptOf(unit: string, code: number | undefined, complaint: string, isMissing: boolean): Attempt {
  if (code === 0) return { outcome: 'applied' };
  if (isMissing) return { outcome: 'unsupported', because: 'systemctl is not installed' };
  // systemd goes on with the job that it was given.
  if (code === undefined)
    return { outcome: 'applied', remains: `the restart of ${unit}, which was not waited for to end` };
  if (/authentication required|access denied|not permitted/i.test(complaint)) {
    return {
      outcome: 'not-permitted',
      because: `systemd refused to restart ${unit}: ${complaint}`,
      todo: 'run as root',
    };
  }
  return {
    outcome: 'unsupported',
    because: `${unit} could not be restarted: ${complaint}`,
    todo: `see journalctl -u ${unit}`,
  };
}
