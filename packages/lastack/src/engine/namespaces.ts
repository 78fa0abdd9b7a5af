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
  const own = namespaceInode(ownPath(effects));
  if (own === undefined) {
    const what = `finding the network namespaces: ${ownPath(effects)} cannot be read`;
    throw new UserError(`${what}; mount it with: mount -t proc proc ${effects.procRoot}`, Exit.NOT_POSSIBLE);
  }
  // Asked for one namespace only, it is no loss that others are hidden.
  if (scope === 'own') return [new OwnNamespace(effects, own)];
  const all = listedIn(effects, (note) => notes.push(note));
  if (scope === 'all') return all;
  for (const inode of scope) {
    if (all.some((one) => one.inode === inode)) continue;
    notes.push({
      what: `network namespace netns-${inode} not read`,
      because: 'it vanished meanwhile',
      incomplete: true,
    });
  }
  return all.filter(({ inode }) => scope.includes(inode));
}

function ownPath({ procRoot }: Effects): string {
  return `${procRoot}/thread-self/ns/net`;
}

/** Whether it is the namespace that lastack itself runs in. */
export function isOwnNamespace(effects: Effects, { path }: NamespaceRef): boolean {
  return path === ownPath(effects);
}

function listedIn({ procRoot }: Effects, onNote: (note: Note) => void): NamespaceRef[] {
  return listNamespaces({ procRoot, namedRoots: NAMED_NAMESPACE_ROOTS, onNote });
}

/** One's own namespace. Its name takes a look at every process of the host, so it is looked for when it is shown. */
class OwnNamespace implements NamespaceRef {
  readonly inode: number;
  readonly path: string;
  readonly #effects: Effects;
  #label: string | undefined;

  constructor(effects: Effects, inode: number) {
    this.inode = inode;
    this.path = ownPath(effects);
    this.#effects = effects;
  }

  get label(): string {
    const listed = () => listedIn(this.#effects, () => undefined).find(({ inode }) => inode === this.inode);
    this.#label ??= listed()?.label ?? `netns-${this.inode}`;
    return this.#label;
  }
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
