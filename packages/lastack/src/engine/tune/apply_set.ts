import { KernelError, readSysctl, writeSysctl } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import type { Journal } from '../../journal/journal.ts';
import { type KeptChange, keepSettings, keptFile, keptSettings } from '../../journal/kept_settings.ts';
import { changeText, identifyNamespace, type SysctlChange, type SysctlChanges } from '../../journal/sysctl_change.ts';
import { insideOrRefuse } from './place.ts';
import type { PlannedSetting, SetPlan } from './plan_set.ts';

const ACTION = 'sysctl';

/**
 * Sets all of them or none, reads each back, and with `persist` writes them into our file. One journal entry, first.
 * @param root below which /etc is
 * @returns the entry's number; undefined when everything was so already
 * @throws UserError, KernelError after what had been changed was put back
 */
export function applySet(effects: Effects, journal: Journal, plan: SetPlan, root: string): number | undefined {
  const { namespace, items } = plan;
  const toWrite = items.filter(({ before, after }) => before !== after);
  const kept = plan.persist ? keptChanges(root, items) : [];
  if (toWrite.length === 0 && kept.length === 0) return undefined;
  return insideOrRefuse(effects, namespace, () => {
    const identity = identifyNamespace(effects, namespace.inode, namespace.label);
    const changes = toWrite.map(({ setting, before, after }): SysctlChange => {
      return { name: setting.path, before, after, namespace: identity };
    });
    const summary = summaryOf(changes, kept, root);
    const data: SysctlChanges = { changes, ...(kept.length > 0 && { kept }) };
    const entry = journal.begin({ action: ACTION, summary, data });
    try {
      writeAll(effects, changes);
      keepAll(effects, root, kept, items, changes);
    } catch (error) {
      const draft = { action: ACTION, summary: `not done: ${(error as Error).message}` };
      // What could not be put back stays an entry that `lastack undo` may try again.
      if (isAsBefore(effects, changes)) journal.undone(entry, draft);
      else journal.end(entry, draft);
      throw error;
    }
    journal.end(entry, { action: ACTION, summary });
    return entry;
  });
}

/** What our file would say otherwise than now. @throws file system errors */
function keptChanges(root: string, items: readonly PlannedSetting[]): KeptChange[] {
  const present = new Map(keptSettings(root).map(({ name, value }) => [name, value]));
  return items.flatMap(({ setting, after }): KeptChange[] => {
    const before = present.get(setting.path);
    if (before === after) return [];
    return [{ name: setting.path, ...(before !== undefined && { before }), after }];
  });
}

function summaryOf(changes: readonly SysctlChange[], kept: readonly KeptChange[], root: string): string {
  const parts = changes.map(changeText);
  if (kept.length > 0) parts.push(`${kept.length} in ${keptFile(root)}`);
  return parts.join(', ');
}

/** If one cannot be set, those before it are put back. @throws KernelError */
function writeAll(effects: Effects, changes: readonly SysctlChange[]): void {
  changes.forEach(({ name, after }, index) => {
    try {
      writeSysctl(effects.procRoot, name, after);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const stuck = putBackAll(effects, changes.slice(0, index + 1));
      const rest = stuck.length > 0 ? `; could not be put back: ${stuck.join(', ')}` : '; nothing was changed';
      throw new KernelError(error.operation, error.errno, {
        detail: `${error.message.replace(`${error.operation}: `, '').replace(/ \([A-Z]+\)$/, '')}${rest}`,
        todo: error.todo,
      });
    }
  });
}

function isAsBefore({ procRoot }: Effects, changes: readonly SysctlChange[]): boolean {
  return changes.every(({ name, before }) => readSysctl(procRoot, name) === before);
}

/** In reverse order. @returns what could not be put back */
function putBackAll(effects: Effects, changes: readonly SysctlChange[]): string[] {
  const stuck: string[] = [];
  for (const { name, before } of [...changes].reverse()) {
    try {
      if (readSysctl(effects.procRoot, name) !== before) writeSysctl(effects.procRoot, name, before);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      stuck.push(error.message);
    }
  }
  return stuck;
}

/** @throws UserError when the file cannot be written, after the settings were put back */
function keepAll(
  effects: Effects,
  root: string,
  kept: readonly KeptChange[],
  items: readonly PlannedSetting[],
  changes: readonly SysctlChange[],
): void {
  if (kept.length === 0) return;
  const at = new Date(effects.now()).toISOString();
  const governs = new Map(items.map(({ setting, before }) => [setting.path, { setting, before }]));
  try {
    keepSettings(
      root,
      kept.map(({ name, after }) => ({ name, value: after })),
      (name) => {
        const { setting, before } = governs.get(name) as PlannedSetting;
        return { at, text: `set by lastack tune (it was ${before}): ${setting.governs}` };
      },
    );
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const stuck = putBackAll(effects, changes);
    const rest = stuck.length > 0 ? `could not be put back: ${stuck.join(', ')}` : 'nothing was changed';
    throw new UserError(`writing ${keptFile(root)}: ${error.message}; ${rest}; leave --persist out`, Exit.NOT_POSSIBLE);
  }
}
