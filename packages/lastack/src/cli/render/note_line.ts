import type { Note } from '@lastack/core';

/** What was not seen, why, and what would allow it, on one line. */
export function noteLine({ what, because, todo }: Note): string {
  return `${what}: ${because}${todo ? `; ${todo}` : ''}`;
}
