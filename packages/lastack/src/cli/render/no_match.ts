import type { Scope } from '../../engine/namespaces.ts';

/** Nothing was found, and where else it may be. */
export function noMatch(scope: Scope): string {
  return scope === 'own'
    ? 'no socket matches in this network namespace; --all-netns looks in all'
    : 'no socket matches';
}
