import { KernelError, readSysctl, writeSysctl } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';
import { namespacesIn } from '../engine/namespaces.ts';
import type { JournalEntry } from './journal.ts';
import { keptFile, standingKept, takeBackKept } from './kept_settings.ts';
import { bootOf } from './open.ts';
import {
  inNamespaceOf,
  presentValue,
  type SysctlChange,
  type SysctlChanges,
  settingText,
  sysctlChangesOf,
} from './sysctl_change.ts';
import type { UndoHandler } from './undo_handler.ts';

const UNREADABLE = 'the entry does not tell what was changed';

/**
 * Puts the old values of settings back, each if its present value is still the one that was set, and takes them out of
 * our file. @param root below which /etc is
 */
export function makeSysctlUndo(root = '/'): UndoHandler {
  return {
    describe(entry) {
      const all = sysctlChangesOf(entry);
      return all ? describeAll(all, root) : entry.summary;
    },
    canUndo(entry, effects, earlier = []) {
      const all = sysctlChangesOf(entry);
      if (!all) return UNREADABLE;
      if (standingKept(root, all.kept ?? []).length > 0) return undefined;
      const boot = bootNow(effects, entry, all);
      const refusals = placed(effects, entry, all).map((change) => {
        const assumed = assumedValue(change, earlier);
        const present = assumed === undefined ? presentValue(effects, boot, change) : { value: assumed };
        if ('gone' in present) return { text: present.gone, isOver: true };
        const text = differenceOf(change, present.value);
        return text === undefined ? undefined : { text, isOver: text === alreadyBack(change) };
      });
      // What can be put back is, whatever became of the others.
      if (refusals.some((refusal) => refusal === undefined)) return undefined;
      const text =
        [...new Set(refusals.map((refusal) => refusal?.text))].join('; ') ||
        `${keptFile(root)} does not keep it any more`;
      return refusals.every((refusal) => refusal?.isOver) ? { over: text } : text;
    },
    undo(entry, effects) {
      const all = sysctlChangesOf(entry);
      const refusals = all ? undoAll(effects, entry, all, root) : [UNREADABLE];
      if (refusals.length === 0) return;
      throw new UserError(`entry ${entry.id} could not be undone in full: ${refusals.join('; ')}`, Exit.NOT_POSSIBLE);
    },
    onUnfinished: 'undo',
  };
}

export const SYSCTL_UNDO: UndoHandler = makeSysctlUndo();

function describeAll({ changes, kept = [] }: SysctlChanges, root: string): string {
  const parts = changes.map((change) => `put ${settingText(change)} back from ${change.after} to ${change.before}`);
  if (kept.length > 0)
    parts.push(`take ${kept.length === 1 ? 'it' : `${kept.length} settings`} out of ${keptFile(root)}`);
  return parts.join(', ');
}

/** @returns why some were left as they are; those that are back already are no reason */
function undoAll(effects: Effects, entry: JournalEntry, all: SysctlChanges, root: string): string[] {
  const at = new Date(effects.now()).toISOString();
  const back = takeBackKept(root, all.kept ?? [], { at, text: `put back by lastack undo ${entry.id}` });
  const boot = bootNow(effects, entry, all);
  const results = placed(effects, entry, all).map((change) => {
    try {
      return { change, refusal: putBack(effects, boot, change) };
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      return { change, refusal: error.todo ? `${error.message}; ${error.todo}` : error.message };
    }
  });
  const refused = results.filter(({ refusal }) => refusal !== undefined);
  // The only change, or the last chance of one: say why. Among several, one that is back already has got what it wants.
  const isAlone = results.length === 1 && back.length === 0;
  return refused.flatMap(({ change, refusal }) =>
    refusal === undefined || (!isAlone && refusal === alreadyBack(change)) ? [] : [refusal],
  );
}

/** What is kept in a file is set again at each start of the host, in what is the host's namespace then. */
function outlivedBoot(effects: Effects, { boot }: JournalEntry, { kept = [] }: SysctlChanges): boolean {
  return kept.length > 0 && boot !== bootOf(effects);
}

function bootNow(effects: Effects, entry: JournalEntry, all: SysctlChanges): string {
  return outlivedBoot(effects, entry, all) ? bootOf(effects) : entry.boot;
}

function placed(effects: Effects, entry: JournalEntry, all: SysctlChanges): readonly SysctlChange[] {
  if (!outlivedBoot(effects, entry, all)) return all.changes;
  const host = namespacesIn(effects, 'all', []).find(({ label }) => label === 'host');
  if (!host) return all.changes;
  return all.changes.map((change) => ({ ...change, namespace: { inode: host.inode, label: host.label } }));
}

/** What the nearest of the entries reversed before this one will have put back. */
function assumedValue({ name, namespace }: SysctlChange, earlier: readonly JournalEntry[]): string | undefined {
  for (const entry of [...earlier].reverse()) {
    const other = sysctlChangesOf(entry)?.changes.find((change) => {
      return change.name === name && change.namespace.inode === namespace.inode;
    });
    if (other) return other.before;
  }
  return undefined;
}

function alreadyBack(change: SysctlChange): string {
  return `${settingText(change)} is already back at ${change.before}`;
}

function differenceOf(change: SysctlChange, present: string): string | undefined {
  if (present === change.after && present !== change.before) return undefined;
  if (present === change.before) return alreadyBack(change);
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
