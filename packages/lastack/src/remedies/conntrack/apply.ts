import { type ClearTarget, type ConntrackEntry, conntrackKey } from '@lastack/core';
import {
  deleteConntrack,
  findConntrack,
  listConntrack,
  NetlinkProtocol,
  type NetlinkTransport,
  openNetlink,
  readConntrackCount,
} from '@lastack/kernel';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { attemptsByNamespace } from '../shared/by_namespace.ts';
import { failedAttempt } from '../shared/failures.ts';
import { lookAgain } from '../shared/look_again.ts';
import { recorded } from '../shared/recorded.ts';

export const SOCKET_REMAINS = 'the socket itself: only the firewall forgets the connection';
export const NOT_LOADED = 'this kernel tracks no connections (nf_conntrack is not loaded), so there is no entry';

/** One entry for each target, by its tuple, id and zone. */
export async function applyConntrack(
  context: ApplyContext,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  let done = 0;
  return attemptsByNamespace(targets, (inode, ofNamespace) =>
    recorded(context, 'conntrack', ofNamespace, async (batch) => {
      const results = await applyBatch(context, inode, batch);
      done += batch.length;
      context.progress(done);
      return results;
    }),
  );
}

async function applyBatch(
  context: ApplyContext,
  inode: number,
  batch: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  let transport: NetlinkTransport | undefined;
  try {
    transport = openTracking(context, inode);
    if (transport === undefined) return batch.map(() => ({ outcome: 'unsupported', because: NOT_LOADED }));
    const { entries } = await listConntrack(transport);
    const byKey = entriesByKey(entries);
    // The entry belongs to the addresses: it may be deleted only while they are those of the socket meant.
    const attempts = await lookAgain(context, inode, batch);
    for (const [index, target] of batch.entries()) {
      if (context.signal.aborted) break;
      attempts[index] ??= await deleteFor(transport, target, byKey);
    }
    return attempts;
  } catch (error) {
    const failed = failedAttempt(error);
    return batch.map(() => failed);
  } finally {
    transport?.close();
  }
}

/** Undefined where nothing is loaded: asking by netlink would load the kernel's connection tracking. */
function openTracking({ effects, inside }: ApplyContext, inode: number): NetlinkTransport | undefined {
  const opened = inside<{ transport?: NetlinkTransport }>(inode, () =>
    readConntrackCount(effects) === undefined
      ? {}
      : { transport: openNetlink(effects.libc(), NetlinkProtocol.NETFILTER) },
  );
  return opened.transport;
}

/** Every entry of a key: the same addresses may be tracked in several zones. */
function entriesByKey(entries: readonly ConntrackEntry[]): Map<string, ConntrackEntry[]> {
  const index = new Map<string, ConntrackEntry[]>();
  for (const entry of entries) {
    const keys = [entry.original, entry.reply].map(({ source, destination }) => conntrackKey(source, destination));
    for (const key of new Set(keys)) {
      const known = index.get(key);
      if (known) known.push(entry);
      else index.set(key, [entry]);
    }
  }
  return index;
}

async function deleteFor(
  transport: NetlinkTransport,
  { namespaceLabel, local, remote }: ClearTarget,
  byKey: ReadonlyMap<string, readonly ConntrackEntry[]>,
): Promise<Attempt> {
  const entries = byKey.get(conntrackKey(local, remote)) ?? [];
  if (entries.length === 0) {
    return { outcome: 'unsupported', because: `conntrack has no entry for it in ${namespaceLabel}` };
  }
  if (entries.length > 1) {
    const zones = entries.map(({ zone }) => zone).join(', ');
    return {
      outcome: 'unsupported',
      because: `${entries.length} conntrack entries have its addresses (zones ${zones}), and one cannot be chosen`,
      todo: 'delete the one meant with conntrack -D and its --zone',
    };
  }
  return deleteOne(transport, entries[0]);
}

/** Deletes the entry and looks again: the next packet may have made another. */
async function deleteOne(transport: NetlinkTransport, entry: ConntrackEntry): Promise<Attempt> {
  const selector = { tuple: entry.original, id: entry.id, zone: entry.zone };
  try {
    if (!(await deleteConntrack(transport, selector))) {
      return { outcome: 'unsupported', because: 'its conntrack entry had gone before it could be deleted' };
    }
    const again = await findConntrack(transport, { ...selector, id: undefined });
    const what = again ? `was deleted, and a packet made a new one (${again.state ?? 'offloaded'})` : 'is gone';
    return { outcome: 'applied', remains: `${SOCKET_REMAINS}; its entry ${what}` };
  } catch (error) {
    return failedAttempt(error);
  }
}
