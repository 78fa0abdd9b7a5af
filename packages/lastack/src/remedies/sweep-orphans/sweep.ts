import { type ClearTarget, TcpState } from '@lastack/core';
import {
  DiagField,
  dumpSockets,
  KernelError,
  LITTLE_ENDIAN,
  type NetlinkTransport,
  readSysctl,
  writeSysctl,
} from '@lastack/kernel';
import { bootOf } from '../../journal/open.ts';
import { changeText, identifyNamespace, type SysctlChange, settingText } from '../../journal/sysctl_change.ts';
import { putBack } from '../../journal/sysctl_undo.ts';
import { compactTargets, TARGETS_PER_ENTRY } from '../../journal/target_data.ts';
import type { ApplyContext, Attempt } from '../remedy.ts';
import { refusalOfError } from './errors.ts';
import { surveyOrphans } from './survey.ts';

export const SETTING = 'net/ipv4/tcp_orphan_retries';
/** The lowest value that means what it says: 0 stands for 8. */
const SWEEP_VALUE = 1;
const STATES = (1 << TcpState.FIN_WAIT1) | (1 << TcpState.CLOSING) | (1 << TcpState.LAST_ACK);
/** Each poll walks the kernel's whole socket table; each pause keeps the setting on for that much longer. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;
const ACTION = 'sweep-orphans';

/**
 * Sweeps one namespace: sets tcp_orphan_retries to 1, waits until the targets are gone, and puts the old value back
 * whatever happens. One attempt per target. Rejects with UserError when the journal cannot be written, before anything
 * was changed.
 */
export async function sweepNamespace(
  context: ApplyContext,
  namespaceInode: number,
  targets: readonly ClearTarget[],
): Promise<(Attempt | undefined)[]> {
  try {
    const { refused, others, limitMs } = await surveyOrphans(context, namespaceInode, targets, SWEEP_VALUE);
    const swept = targets.filter((_, index) => refused[index] === undefined);
    if (swept.length === 0 || context.signal.aborted) return [...refused];
    const left = await sweep(context, swept, others, limitMs);
    const remains = [othersText(others, swept[0].namespaceLabel), left].filter(Boolean).join('; ') || undefined;
    return refused.map((attempt) => attempt ?? { outcome: 'applied', remains });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const attempt = refusalOfError(error);
    return targets.map(() => attempt);
  }
}

function othersText(others: number, label: string): string | undefined {
  if (others === 0) return undefined;
  const orphans = others === 1 ? '1 other orphan' : `${others} other orphans`;
  return `${orphans} of ${label} had to pass the same setting and may have lost undelivered data`;
}

/** @returns what stays behind, in words */
async function sweep(
  context: ApplyContext,
  targets: readonly ClearTarget[],
  others: number,
  limitMs: number,
): Promise<string | undefined> {
  const { effects, inside, journal } = context;
  const [{ namespaceInode, namespaceLabel }] = targets;
  const change: SysctlChange = inside(namespaceInode, () => ({
    name: SETTING,
    before: readSysctl(effects.procRoot, SETTING),
    after: String(SWEEP_VALUE),
    namespace: identifyNamespace(effects, namespaceInode, namespaceLabel),
  }));
  if (change.before === change.after) {
    // Set so for good, or by another sweep that will put it back: either way there is nothing to change here.
    await waitUntilGone(context, targets, limitMs);
    return undefined;
  }
  const summary = `${changeText(change)} for a moment, to sweep ${targets.length} orphans (${others} others pass it too)`;
  const data = { ...change, targets: compactTargets(targets.slice(0, TARGETS_PER_ENTRY)), count: targets.length };
  const entry = journal.begin({ action: ACTION, summary, data });
  let restored: string | undefined;
  try {
    inside(namespaceInode, () => writeSysctl(effects.procRoot, SETTING, change.after));
    await waitUntilGone(context, targets, limitMs);
  } finally {
    restored = restore(context, entry, change);
  }
  return restored;
}

/** Puts the old value back and closes the entry. @returns what could not be put right */
function restore({ effects, journal }: ApplyContext, entry: number, change: SysctlChange): string | undefined {
  const setting = settingText(change);
  try {
    const refusal = putBack(effects, bootOf(effects), change);
    journal.end(entry, { action: ACTION, summary: refusal ?? `${setting} is back at ${change.before}` });
    return refusal;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // The entry stays open: the next run that finds it tries again.
    return `${setting} is still ${change.after} (${error.message}); the next run of lastack puts it back to ${change.before}`;
  }
}

/** Returns when all are gone, at the limit, or when interrupted. Rejects with KernelError. */
async function waitUntilGone(
  { effects, diag, signal, progress }: ApplyContext,
  targets: readonly ClearTarget[],
  limitMs: number,
): Promise<void> {
  const transport = diag(targets[0].namespaceInode);
  const cookies = new Set(targets.map(({ cookie }) => cookie));
  const until = effects.monotonicMs() + limitMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const left = await countPresent(transport, cookies);
    progress(targets.length - left);
    if (left === 0 || signal.aborted || effects.monotonicMs() >= until) return;
    await effects.sleep(pause);
  }
}

async function countPresent(transport: NetlinkTransport, cookies: ReadonlySet<bigint>): Promise<number> {
  let present = 0;
  await dumpSockets(transport, { states: STATES }, (_words, view, at) => {
    if (cookies.has(cookieAt(view, at + DiagField.cookie))) present++;
  });
  return present;
}

/** Two words in host order, the low one first on every machine. */
function cookieAt(view: DataView, at: number): bigint {
  return (BigInt(view.getUint32(at + 4, LITTLE_ENDIAN)) << 32n) | BigInt(view.getUint32(at, LITTLE_ENDIAN));
}
