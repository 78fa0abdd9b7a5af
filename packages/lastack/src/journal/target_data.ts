import type { ClearTarget } from '@lastack/core';

/** So many targets make an entry of about 60 KB: small enough to read at a glance, large enough to be written rarely. */
export const TARGETS_PER_ENTRY = 1000;
const SHOWN = 3;

/** Targets as the journal keeps them: `LOCAL-REMOTE COOKIE` by inode number of their namespace. */
export type TargetData = Record<string, string[]>;

/** Ends and cookie of each: what is needed to say which sockets were meant. */
export function compactTargets(targets: readonly ClearTarget[]): TargetData {
  const data: TargetData = {};
  for (const { namespaceInode, local, remote, cookie } of targets) {
    const line = `${endpoint(local)}-${endpoint(remote)} ${cookie.toString(16)}`;
    data[namespaceInode] ??= [];
    data[namespaceInode].push(line);
  }
  return data;
}

/** Splits a long list so that no entry becomes unwieldy. */
export function* targetBatches(
  targets: readonly ClearTarget[],
  size = TARGETS_PER_ENTRY,
): Generator<readonly ClearTarget[]> {
  for (let at = 0; at < targets.length; at += size) yield targets.slice(at, at + size);
}

/** `a-b, c-d, e-f and 997 more` from an entry's data; undefined when that holds no targets. */
export function targetsText(data: unknown): string | undefined {
  const { targets } = (typeof data === 'object' && data !== null ? data : {}) as { targets?: unknown };
  if (typeof targets !== 'object' || targets === null) return undefined;
  const lines = Object.values(targets)
    .flat()
    .filter((line) => typeof line === 'string');
  if (lines.length === 0) return undefined;
  const shown = lines.slice(0, SHOWN).map((line) => line.split(' ')[0]);
  const rest = lines.length - shown.length;
  return rest === 0 ? shown.join(', ') : `${shown.join(', ')} and ${rest} more`;
}

function endpoint({ address, port }: ClearTarget['local']): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
