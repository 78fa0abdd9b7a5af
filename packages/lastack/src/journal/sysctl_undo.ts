import { readSysctl, writeSysctl } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';
import type { JournalEntry } from './journal.ts';
import { inNamespaceOf, presentValue, type SysctlChange, settingText, sysctlChangeOf } from './sysctl_change.ts';
import type { UndoHandler } from './undo_handler.ts';

const UNREADABLE = 'the entry does not tell what was changed';

/** Puts the old value of a setting back, if the present one is still the one that was set. */
export const SYSCTL_UNDO: UndoHandler = {
  describe(entry) {
    const change = sysctlChangeOf(entry);
    return change ? `put ${settingText(change)} back from ${change.after} to ${change.before}` : entry.summary;
  },
  canUndo(entry, effects, earlier = []) {
    const change = sysctlChangeOf(entry);
    if (!change) return UNREADABLE;
    const assumed = assumedValue(change, earlier);
    const present = assumed === undefined ? presentValue(effects, entry.boot, change) : { value: assumed };
    return 'gone' in present ? present.gone : differenceOf(change, present.value);
  },
  undo(entry, effects) {
    const change = sysctlChangeOf(entry);
    const refusal = change ? putBack(effects, entry.boot, change) : UNREADABLE;
    if (refusal) throw new UserError(`entry ${entry.id} cannot be undone: ${refusal}`, Exit.NOT_POSSIBLE);
  },
  onUnfinished: 'undo',
};

/** What the nearest of the entries reversed before this one will have put back. */
function assumedValue({ name, namespace }: SysctlChange, earlier: readonly JournalEntry[]): string | undefined {
  for (const entry of [...earlier].reverse()) {
    const other = sysctlChangeOf(entry);
    if (other?.name === name && other.namespace.inode === namespace.inode) return other.before;
  }
  return undefined;
}

function differenceOf(change: SysctlChange, present: string): string | undefined {
  if (present === change.after && present !== change.before) return undefined;
  if (present === change.before) return `${settingText(change)} is already back at ${present}`;
  return `${settingText(change)} is ${present} now, no longer the ${change.after} that was set: someone else has changed it`;
}

/**
 * Puts the old value back. Looks and writes in one visit, so that as little as possible can come between.
 * @returns why it was left as it is; undefined = done. @throws KernelError
 */
export function putBack(effects: Effects, boot: string, change: SysctlChange): string | undefined {
  const result = inNamespaceOf<{ refusal: string | undefined }>(effects, boot, change, () => {
    const refusal = differenceOf(change, readSysctl(effects.procRoot, change.name));
    if (!refusal) writeSysctl(effects.procRoot, change.name, change.before);
    return { refusal };
  });
  return 'gone' in result ? result.gone : result.value.refusal;
}
