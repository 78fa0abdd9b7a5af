import type { Note } from '@lastack/core';
import { dotted, isSysctlName, KernelError, namespaceCookie, readSysctl } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { inside, namespacesIn } from '../engine/namespaces.ts';
import type { JournalEntry } from './journal.ts';
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

/** `tcp_orphan_retries of host`. */
export function settingText({ name, namespace }: Pick<SysctlChange, 'name' | 'namespace'>): string {
  return `${dotted(name)} of ${namespace.label}`;
}

/** `net.ipv4.tcp_orphan_retries 0 → 1 in host`. */
export function changeText({ name, before, after, namespace }: SysctlChange): string {
  return `${dotted(name)} ${before} → ${after} in ${namespace.label}`;
}

/** The entry's change; undefined when the entry does not tell one. */
export function sysctlChangeOf({ data }: JournalEntry): SysctlChange | undefined {
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
