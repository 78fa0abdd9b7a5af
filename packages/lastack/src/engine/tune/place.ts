import { type FilterAst, type Note, printable, requirements } from '@lastack/core';
import type { NamespaceRef } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { inside, namespacesIn } from '../namespaces.ts';

/** How many names a message lists. */
const SHOWN = 8;

/**
 * The namespace of this label (`host`, a name of `ip netns`, a container, a unit, `netns-INODE`) or inode number;
 * without one, the caller's own. @throws UserError when there is none such
 */
export function findNamespace(effects: Effects, text: string | undefined): NamespaceRef {
  if (text === undefined) {
    const [own] = namespacesIn(effects, 'own', []);
    if (own) return own;
    throw new UserError('the present network namespace could not be found; try again', Exit.NOT_POSSIBLE);
  }
  const notes: Note[] = [];
  const all = namespacesIn(effects, 'all', notes);
  const inode = Number(/^(?:netns-)?(\d+)$/.exec(text)?.[1]);
  const found = all.find(({ label }) => label === text) ?? all.find((ref) => ref.inode === inode);
  if (found) return found;
  throw noNamespace(text, all, notes);
}

/** Every namespace that a filter names is one that there is. @throws UserError */
export function checkNamespaces(effects: Effects, filter: FilterAst): void {
  const { namespaces } = requirements(filter);
  if (namespaces.length === 0) return;
  const notes: Note[] = [];
  const all = namespacesIn(effects, 'all', notes);
  for (const name of namespaces) {
    if (!all.some(({ label }) => label === name)) throw noNamespace(name, all, notes);
  }
}

/** How listNamespaces calls the caller's own where it could not tell which the host's is. */
const UNTOLD = 'self';

/** Whether the namespace is the one that the host starts with and applies its files to. */
export function isHostsOwn({ label }: NamespaceRef): boolean {
  return label === 'host';
}

/** For a sentence. */
export function namespaceText({ label, inode }: NamespaceRef): string {
  return label === UNTOLD ? `netns-${inode}` : label;
}

function noNamespace(text: string, all: readonly NamespaceRef[], notes: readonly Note[]): UserError {
  const more = all.length > SHOWN ? `, … (${all.length} in all)` : '';
  const known = all.slice(0, SHOWN).map(({ label }) => label);
  const hidden = notes[0] ? `; ${notes[0].what}: ${notes[0].because}${notes[0].todo ? `; ${notes[0].todo}` : ''}` : '';
  return new UserError(
    printable(`there is no network namespace '${text}', or it is gone; there are ${known.join(', ')}${more}${hidden}`),
    Exit.FOUND_OR_NO_MATCH,
  );
}

/** Runs synchronous work with this thread in the namespace. @throws UserError when it cannot be entered */
export function insideOrRefuse<T>(
  effects: Effects,
  namespace: NamespaceRef,
  work: () => T extends PromiseLike<unknown> ? never : T,
): T {
  const notes: Note[] = [];
  const result = inside<{ value: T }>(effects, namespace, notes, () => ({ value: work() as T }));
  if (result) return result.value;
  const [{ what, because, todo }] = notes;
  throw new UserError(`${what}: ${because}${todo ? `; ${todo}` : ''}`, Exit.NOT_POSSIBLE);
}
