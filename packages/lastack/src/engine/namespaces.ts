import type { Note } from '@lastack/core';
import {
  listNamespaces,
  NAMED_NAMESPACE_ROOTS,
  type NamespaceRef,
  namespaceInode,
  withNamespace,
} from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';

/** Which network namespaces to look at: the own one, all that can be entered, or those with these inode numbers. */
export type Scope = 'own' | 'all' | readonly number[];

/**
 * The namespaces of a scope, the host's first. What cannot be listed goes into `notes`.
 * @throws UserError without /proc, which alone tells what there is: an empty list would look like an idle host
 */
export function namespacesIn(effects: Effects, scope: Scope, notes: Note[]): NamespaceRef[] {
  const own = namespaceInode(`${effects.procRoot}/thread-self/ns/net`);
  if (own === undefined) {
    const what = `finding the network namespaces: ${effects.procRoot}/thread-self/ns/net cannot be read`;
    throw new UserError(`${what}; mount it with: mount -t proc proc ${effects.procRoot}`, Exit.NOT_POSSIBLE);
  }
  const all = listNamespaces({
    procRoot: effects.procRoot,
    namedRoots: NAMED_NAMESPACE_ROOTS,
    onNote: (note) => {
      // Asked for one namespace only, it is no loss that others are hidden.
      if (scope !== 'own') notes.push(note);
    },
  });
  if (scope === 'all') return all;
  const wanted = scope === 'own' ? [own] : scope;
  for (const inode of wanted) {
    if (all.some((one) => one.inode === inode)) continue;
    notes.push({
      what: `network namespace netns-${inode} not read`,
      because: 'it vanished meanwhile',
      incomplete: true,
    });
  }
  return all.filter(({ inode }) => wanted.includes(inode));
}

/** Runs synchronous work with this thread inside the namespace; undefined, and a note, when that is not possible. */
export function inside<T>(
  effects: Effects,
  namespace: NamespaceRef,
  notes: Note[],
  work: () => T extends PromiseLike<unknown> ? never : T,
): T | undefined {
  // Loading the C library is only needed to go elsewhere: one's own namespace is entered by doing nothing.
  const calls = {
    setns: (fd: number, type: number) => effects.libc().setns(fd, type),
    errno: () => effects.libc().errno(),
  };
  const result = withNamespace(namespace, calls, work);
  if (result.ok) return result.value;
  notes.push(result.note);
  return undefined;
}
