import type { Note } from '@lastack/core';
import { KernelError } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';
import type { ApplyContext } from '../remedies/remedy.ts';
import { inside } from './namespaces.ts';
import type { Observation, ObservedNamespace } from './observation.ts';

const ENOENT = 2;

/** What remedies work with: the observed namespaces, still open. */
export function applyContext(
  effects: Effects,
  { namespaces }: Observation,
  journal: Journal,
  signal: AbortSignal,
  progress: (done: number) => void,
): ApplyContext {
  const byInode = new Map(namespaces.map((namespace) => [namespace.inode, namespace]));
  const find = (inode: number): ObservedNamespace => {
    const namespace = byInode.get(inode);
    if (!namespace) throw new KernelError(`using network namespace ${inode}`, ENOENT, { detail: 'it is not open' });
    return namespace;
  };
  return {
    effects,
    journal,
    signal,
    progress,
    diag: (inode) => find(inode).diag,
    inside<T>(inode: number, work: () => T extends PromiseLike<unknown> ? never : T): T {
      const { ref } = find(inode);
      const notes: Note[] = [];
      const entered = inside<{ value: unknown }>(effects, ref, notes, () => ({ value: work() }));
      if (entered) return entered.value as T;
      throw new KernelError(`entering network namespace ${ref.label}`, ENOENT, { detail: notes[0]?.because });
    },
  };
}
