import type { Note } from '@lastack/core';
import { dotted, isSysctlName, KernelError, namespaceCookie, readSysctl } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { inside, namespacesIn } from '../engine/namespaces.ts';
import type { JournalEntry } from './journal.ts';
import type { KeptChange } from './kept_settings.ts';
import { bootOf } from './open.ts';

/** The data of an entry that changes a setting of one network namespace. */
export interface SysctlChange {
  /** Below /proc/sys: `net/ipv4/tcp_orphan_retries`. */
  name: string;
  /** Several numbers are separated by one space. */
  before: string;
  after: string;
  namespace: ChangedNamespace;
}

export interface ChangedNamespace {
  inode: number;
  label: string;
  /** Decimal; tells the namespace from a later one with the same inode number. Absent before Linux 5.14. */
  cookie?: string;
}

/** The data of an entry that changes several settings at once, all or none. */
export interface SysctlChanges {
  /** All in one namespace. */
  changes: readonly SysctlChange[];
  /** Those that were written into our own file as well. */
  kept?: readonly KeptChange[];
}

/** `tcp_orphan_retries of host`. */
export function settingText({ name, namespace }: Pick<SysctlChange, 'name' | 'namespace'>): string {
  return `${dotted(name)} of ${namespace.label}`;
}

/** `net.ipv4.tcp_orphan_retries 0 → 1 in host`. */
export function changeText({ name, before, after, namespace }: SysctlChange): string {
  return `${dotted(name)} ${before} → ${after} in ${namespace.label}`;
}

/** The entry's changes, one or several; undefined when the entry does not tell them. */
export function sysctlChangesOf({ data }: Pick<JournalEntry, 'data'>): SysctlChanges | undefined {
  if (!isRecord(data)) return undefined;
  const list = Array.isArray(data.changes) ? data.changes : [data];
  const changes = list.map(readChange).filter((change) => change !== undefined);
  if (changes.length !== list.length) return undefined;
  const kept = Array.isArray(data.kept) ? data.kept.map(readKept).filter((change) => change !== undefined) : [];
  return { changes, kept };
}

function readKept(data: unknown): KeptChange | undefined {
  if (!isRecord(data)) return undefined;
  const { name, before, after } = data;
  if (typeof name !== 'string' || !isSysctlName(name) || !isNumbers(after)) return undefined;
  if (before === undefined) return { name, after };
  return typeof before === 'string' && !before.includes('\n') ? { name, before, after } : undefined;
}

/** What is written into a file that the host's start reads must be nothing but numbers. */
function isNumbers(value: unknown): value is string {
  return typeof value === 'string' && /^-?\d+(?: -?\d+)*$/.test(value);
}

function readChange(data: unknown): SysctlChange | undefined {
  if (!isRecord(data) || !isRecord(data.namespace)) return undefined;
  const { name, before, after, namespace } = data;
  const { inode, label, cookie } = namespace;
  if (typeof name !== 'string' || !isSysctlName(name)) return undefined;
  if (typeof before !== 'string' || typeof after !== 'string') return undefined;
  if (typeof inode !== 'number' || typeof label !== 'string') return undefined;
  if (cookie !== undefined && typeof cookie !== 'string') return undefined;
  return { name, before, after, namespace: { inode, label, cookie } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** What identifies the calling thread's namespace in an entry. */
export function identifyNamespace(effects: Effects, inode: number, label: string): ChangedNamespace {
  return { inode, label, cookie: namespaceCookie(effects.libc())?.toString() };
}

const EPERM = 1;
const ENTRY_ATTEMPTS = 3;

/** A namespace of the journal that is no more, and its settings with it. */
export interface Gone {
  gone: string;
}

/**
 * Runs `work` in the namespace that a change of that boot speaks of.
 * @throws KernelError when it cannot be told whether the namespace is still there, or `work` fails
 */
export function inNamespaceOf<T>(
  effects: Effects,
  boot: string,
  { namespace }: SysctlChange,
  work: () => T extends PromiseLike<unknown> ? never : T,
): { value: T } | Gone {
  if (boot !== bootOf(effects)) return { gone: 'the host has been restarted since, which ended it' };
  const gone = { gone: `the network namespace ${namespace.label} is gone, and the setting with it` };
  const notes: Note[] = [];
  for (let attempt = 0; attempt < ENTRY_ATTEMPTS; attempt++) {
    notes.length = 0;
    const ref = namespacesIn(effects, 'all', notes).find(({ inode }) => inode === namespace.inode);
    // Where everything could be seen, what is not seen is not there.
    if (!ref && notes.length === 0) return gone;
    if (!ref) break;
    const result = inside<{ value: T } | Gone>(effects, ref, notes, () => {
      const cookie = namespaceCookie(effects.libc())?.toString();
      return namespace.cookie === undefined || cookie === namespace.cookie ? { value: work() } : gone;
    });
    if (result) return result;
    // The process that led there may just have ended: others may still lead there.
  }
  const [note] = notes;
  throw new KernelError(`looking into the network namespace ${namespace.label}`, EPERM, {
    detail: note?.because,
    todo: note?.todo ?? 'run as root',
  });
}

/** The present value, where the changed namespace is still there. @throws KernelError */
export function presentValue(effects: Effects, boot: string, change: SysctlChange): { value: string } | Gone {
  return inNamespaceOf<string>(effects, boot, change, () => readSysctl(effects.procRoot, change.name));
}
