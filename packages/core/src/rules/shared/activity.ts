import type { Evidence, RuleContext } from '../../finding.ts';
import { masked } from '../../printable.ts';
import type { NamespaceSnapshot, Owner, ProcessActivity } from '../../snapshot.ts';
import type { Group } from './group.ts';
import { counted, listed, thousands } from './words.ts';

const PROCESSES_SHOWN = 3;

/** What was seen of one process in relation to the group's descriptors. */
interface Watch {
  owner: Owner;
  fds: number[];
}

function descriptorsOf(group: Group, namespace: NamespaceSnapshot, context: RuleContext): readonly Watch[] {
  const known = context.memo(namespace, newWatches);
  let watches = known.get(group);
  if (!watches) {
    watches = gatherDescriptors(group, namespace, context);
    known.set(group, watches);
  }
  return watches;
}

function newWatches(): Map<Group, readonly Watch[]> {
  return new Map();
}

function gatherDescriptors(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Watch[] {
  const { owners } = context.snapshot;
  const watches = new Map<number, Watch>();
  for (const row of group.rows) {
    const inode = namespace.table.inode(row);
    const known = watches.get(owners.solePid?.(inode) ?? 0);
    if (known) {
      known.fds.push(owners.soleFd?.(inode) ?? -1);
      continue;
    }
    for (const owner of owners.get(inode) ?? []) {
      let watch = watches.get(owner.pid);
      if (!watch) {
        watch = { owner, fds: [] };
        watches.set(owner.pid, watch);
      }
      watch.fds.push(owner.fd);
    }
  }
  return [...watches.values()].sort((left, right) => right.fds.length - left.fds.length);
}

/** `3 in epoll_wait, 2 in futex, 1 running`. */
export function threadSummary(activity: ProcessActivity): string {
  const counts = new Map<string, number>();
  for (const { syscall } of activity.threads) {
    const doing = syscall === undefined ? 'unreadable' : syscall === 'running' ? 'running' : `in ${masked(syscall)}`;
    counts.set(doing, (counts.get(doing) ?? 0) + 1);
  }
  return listed(
    [...counts].sort((left, right) => right[1] - left[1]).map(([doing, count]) => `${count} ${doing}`),
    4,
  );
}

/** How many threads are in a call on one of the descriptors; these may be ten thousands, those are few. */
function threadsInCalls({ threads }: ProcessActivity, fds: readonly number[]): number {
  const inCalls = new Set(threads.flatMap((thread) => thread.fds));
  const asked = new Set(inCalls.size === 0 ? [] : fds.filter((fd) => inCalls.has(fd)));
  return threads.filter((thread) => thread.fds.some((fd) => asked.has(fd))).length;
}

function processEvidence({ owner, fds }: Watch, activity: ProcessActivity): Evidence[] {
  const name = `${masked(owner.command)} (pid ${owner.pid})`;
  const evidence: Evidence[] = [];
  if (activity.threads.length > 0) {
    evidence.push({
      fact: `threads of ${name}`,
      value: threadSummary(activity),
      source: `/proc/${owner.pid}/task/*/syscall`,
    });
    const inCalls = threadsInCalls(activity, fds);
    evidence.push({
      fact: `threads of ${name} in a call on one of these descriptors`,
      value: inCalls,
      source: `/proc/${owner.pid}/task/*/syscall`,
    });
  }
  if (activity.unreadable === undefined) {
    const watched = fds.filter((fd) => activity.epollFds.has(fd)).length;
    evidence.push({
      fact: `descriptors that an epoll set of ${name} watches`,
      value: `${thousands(watched)} of ${thousands(fds.length)}`,
      source: `/proc/${owner.pid}/fdinfo`,
    });
  } else {
    evidence.push({
      fact: `what ${name} is doing could not be read in full`,
      value: masked(activity.unreadable),
      source: `/proc/${owner.pid}`,
    });
  }
  return evidence;
}

/** What the holders' threads do and whether anything waits on these sockets. States what was seen, concludes nothing. */
export function activityEvidence(group: Group, namespace: NamespaceSnapshot, context: RuleContext): Evidence[] {
  const evidence: Evidence[] = [];
  for (const watch of descriptorsOf(group, namespace, context).slice(0, PROCESSES_SHOWN)) {
    const activity = context.snapshot.activity.get(watch.owner.pid);
    if (activity) evidence.push(...processEvidence(watch, activity));
  }
  return evidence;
}

/**
 * `nothing`: every holder was read in full and neither a thread nor an epoll set waits on any of these descriptors.
 * `epoll`: epoll sets watch them all. `undefined`: mixed, or not readable.
 */
export function whatWaits(
  group: Group,
  namespace: NamespaceSnapshot,
  context: RuleContext,
): 'nothing' | 'epoll' | undefined {
  let watchesAny = false;
  let watchesAll = true;
  const watches = descriptorsOf(group, namespace, context);
  for (const { owner, fds } of watches) {
    const activity = context.snapshot.activity.get(owner.pid);
    if (!activity || activity.unreadable !== undefined || activity.threads.length === 0) return undefined;
    // A thread that is running, in poll() or select(), or unreadable may well look at the descriptor: then do not judge.
    if (activity.threads.some(({ syscall }) => syscall === undefined || !CANNOT_SEE.has(syscall))) return undefined;
    if (threadsInCalls(activity, fds) > 0) return undefined;
    for (const fd of fds) {
      if (activity.epollFds.has(fd)) watchesAny = true;
      else watchesAll = false;
    }
  }
  if (watches.length === 0) return undefined;
  if (!watchesAny) return 'nothing';
  return watchesAll ? 'epoll' : undefined;
}

/** Calls that wait for something else than a descriptor named outside epoll. */
const CANNOT_SEE: ReadonlySet<string> = new Set([
  'futex',
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
  'nanosleep',
  'clock_nanosleep',
  'wait4',
  'waitid',
  'pause',
  'rt_sigsuspend',
  'rt_sigtimedwait',
  'accept',
  'accept4',
  'read',
  'recvfrom',
  'recvmsg',
]);

/** Several processes hold the same sockets: closing in one ends nothing. */
export function sharedEvidence({ holder }: Group): Evidence[] {
  if (holder.sharedSockets === 0) return [];
  const holders = holder.owners.map(({ command, pid }) => `${masked(command)} (pid ${pid})`);
  return [
    {
      fact: `${counted(holder.sharedSockets, 'socket')} held by more than one process; each must close it`,
      value: listed(holders, 5),
      source: '/proc/*/fd',
    },
  ];
}
