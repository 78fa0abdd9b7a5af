import type { ChangedNamespace } from '../../journal/sysctl_change.ts';
import { type Block, readBlock } from './block.ts';

/** What a journal entry of action `block` says: all that is needed to take it back. */
export interface BlockChange {
  namespace: ChangedNamespace;
  added: readonly Block[];
  /** What stood for the same connections before; `untilMs` is epoch milliseconds, absent for those without an end. */
  replaced: readonly (Block & { untilMs?: number })[];
  /** They were written to the file that is loaded when the host starts, too. */
  permanent: boolean;
}

/** The entry's change; undefined when its data do not tell one. */
export function blockChangeOf(data: unknown): BlockChange | undefined {
  if (!isRecord(data) || !isRecord(data.namespace) || !Array.isArray(data.added)) return undefined;
  const { inode, label, cookie } = data.namespace;
  if (typeof inode !== 'number' || typeof label !== 'string') return undefined;
  if (cookie !== undefined && typeof cookie !== 'string') return undefined;
  const added = data.added.map(readBlock).filter((block) => block !== undefined);
  if (added.length !== data.added.length) return undefined;
  const replaced = (Array.isArray(data.replaced) ? data.replaced : []).flatMap((value: unknown) => {
    const block = readBlock(value);
    const untilMs = isRecord(value) && typeof value.untilMs === 'number' ? value.untilMs : undefined;
    return block ? [{ ...block, untilMs }] : [];
  });
  return { namespace: { inode, label, cookie }, added, replaced, permanent: data.permanent === true };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
