import type { Effects } from '../effects.ts';
import type { UndoResult, UndoStep } from '../journal/undo.ts';

/** `refused`: not any more, or not now; `over`: nothing of it is in force any more; `failed`: tried, and it did not work. */
export const UNDO_OUTCOMES = ['planned', 'undone', 'failed', 'refused', 'over', 'irreversible'] as const;
type UndoOutcome = (typeof UNDO_OUTCOMES)[number];

interface UndoneStep {
  step: UndoStep;
  outcome: UndoOutcome;
}

/** What would be done. */
export function plannedSteps(steps: readonly UndoStep[]): UndoneStep[] {
  return steps.map((step) => ({ step, outcome: refusedAs(step) ?? 'planned' }));
}

/** What was done. @param planned the steps that gave the results, in the same order */
export function doneSteps(planned: readonly UndoStep[], results: readonly UndoResult[]): UndoneStep[] {
  return results.map((step, index) => ({
    step,
    outcome: step.undone ? 'undone' : (refusedAs(planned[index]) ?? 'failed'),
  }));
}

function refusedAs({ refusal, irreversible, isOver }: UndoStep): UndoOutcome | undefined {
  if (irreversible) return 'irreversible';
  if (refusal === undefined) return undefined;
  return isOver ? 'over' : 'refused';
}

/** One document, schema lastack.undone/1. */
export function undoneJson(
  { hostname, now }: Pick<Effects, 'hostname' | 'now'>,
  steps: readonly UndoneStep[],
  dryRun: boolean,
) {
  return {
    schema: 'lastack.undone/1',
    host: hostname,
    at: new Date(now()).toISOString(),
    dryRun,
    entries: steps.map(({ step: { entry, text, refusal }, outcome }) => ({
      entry: entry.id,
      at: entry.at,
      action: entry.action,
      what: text,
      outcome,
      because: refusal,
    })),
  };
}
