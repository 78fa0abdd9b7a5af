import {
  type ClearTarget,
  RETUNE_ORDER,
  type Row,
  refuseRetune,
  type SocketOptions,
  targetOf,
  wishText,
} from '@lastack/core';
import { optionsOf } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../effects.ts';
import { applyContext } from '../engine/apply_context.ts';
import { closeNamespaces, type Observation, observe } from '../engine/observation.ts';
import { setAllOrNone } from '../engine/retune/set_options.ts';
import { fetchOwners } from '../engine/second_pass.ts';
import { workOnDescriptor } from '../remedies/shared/on_descriptor.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { bootOf } from './open.ts';
import { judgeRetuned, type RetunedSocket, retunedSockets } from './retune_change.ts';
import { type Refusal, refusalText, type UndoHandler } from './undo_handler.ts';

const UNREADABLE = 'the entry does not tell what was changed';

/** Puts the options of the sockets back that are still there, and still have the values that were set. */
export const RETUNE_UNDO: UndoHandler = {
  describe(entry) {
    const known = retunedSockets(entry);
    return known
      ? `put the options of ${countText(known.sockets.size)} back: ${valuesText(known.sockets)}`
      : entry.summary;
  },
  async canUndo(entry, effects, earlier = []) {
    const found = await eachSocket(effects, entry, assumedOf(earlier), () => ({ refusal: undefined }));
    return Array.isArray(found) ? refusalOf(found) : found;
  },
  async undo(entry, effects) {
    const results = await eachSocket(effects, entry, new Map(), putBack);
    const refusal = Array.isArray(results) ? refusalOf(results) : results;
    if (refusal) throw new UserError(`entry ${entry.id} cannot be undone: ${refusalText(refusal)}`, Exit.NOT_POSSIBLE);
    return leftText(results as readonly Verdict[]);
  },
  onUnfinished: 'report',
};

/** Why one socket is left as it is; undefined: it is (or can be) put back. */
interface Verdict {
  refusal: string | undefined;
  /** The socket is gone, or has its old options already. */
  isOver?: boolean;
}

function countText(count: number): string {
  return count === 1 ? '1 socket' : `${count} sockets`;
}

/** What most sockets had before: there are seldom more than one or two sets of values. */
function valuesText(sockets: ReadonlyMap<bigint, RetunedSocket>): string {
  const texts = new Set([...sockets.values()].map(({ before }) => wishText(before)));
  const [first, ...more] = texts;
  return more.length === 0 ? first : `${first}, or what each had before`;
}

/** Undefined as long as one can be put back; else the reasons. */
function refusalOf(verdicts: readonly Verdict[]): Refusal | undefined {
  if (verdicts.some(({ refusal }) => refusal === undefined)) return undefined;
  const text = verdicts.length === 1 ? (verdicts[0].refusal ?? '') : reasonsText(verdicts);
  return verdicts.every(({ isOver }) => isOver) ? { over: text } : text;
}

function leftText(verdicts: readonly Verdict[]): string | undefined {
  const left = verdicts.filter(({ refusal }) => refusal !== undefined);
  return left.length === 0 ? undefined : `left as it is, ${reasonsText(left)}`;
}

/** `2 sockets: gone; 1 socket: …` */
function reasonsText(verdicts: readonly Verdict[]): string {
  const counts = new Map<string, number>();
  for (const { refusal = '' } of verdicts) counts.set(refusal, (counts.get(refusal) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `${countText(count)}: ${reason}`).join('; ');
}

/** What the entries that are reversed before this one will have put back, the nearest last. */
function assumedOf(earlier: readonly JournalEntry[]): Map<bigint, Partial<SocketOptions>> {
  const assumed = new Map<bigint, Partial<SocketOptions>>();
  for (const entry of earlier) {
    for (const { cookie, before } of retunedSockets(entry)?.sockets.values() ?? []) {
      assumed.set(cookie, { ...assumed.get(cookie), ...before });
    }
  }
  return assumed;
}

type Work = (
  libc: Parameters<typeof optionsOf>[0],
  socket: number,
  present: SocketOptions,
  was: RetunedSocket,
) => Verdict;

function putBack(...[libc, socket, present, { before }]: Parameters<Work>): Verdict {
  const keys = [...RETUNE_ORDER].reverse().filter((key) => before[key] !== undefined);
  const set = setAllOrNone(libc, socket, present, before, keys);
  return { refusal: 'read' in set ? undefined : set.because };
}

/** Runs `work` on every socket of the entry that stands as it was set. @returns why none can be, or one verdict each */
async function eachSocket(
  effects: Effects,
  entry: JournalEntry,
  assumed: ReadonlyMap<bigint, Partial<SocketOptions>>,
  work: Work,
): Promise<Verdict[] | Refusal> {
  const known = retunedSockets(entry);
  if (!known) return UNREADABLE;
  if (entry.boot !== bootOf(effects)) return { over: 'the host has been restarted since, which ended the sockets' };
  const observation = await observe(effects, known.namespaces);
  try {
    const targets = presentTargets(effects, observation, known.sockets);
    const context = applyContext(effects, observation, NO_JOURNAL, new AbortController().signal, () => undefined);
    const gap = observation.notes.find(({ incomplete }) => incomplete);
    const missing: Verdict =
      gap === undefined ? { refusal: 'gone', isOver: true } : { refusal: `not found (${gap.what}: ${gap.because})` };
    const verdicts: Verdict[] = [];
    for (const was of known.sockets.values()) {
      const target = targets.get(was.cookie);
      verdicts.push(target ? await judge(context, target, was, assumed, work) : missing);
    }
    return verdicts;
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

/** Undo has its own entry already. */
const NO_JOURNAL = {} as Journal;

async function judge(
  context: ReturnType<typeof applyContext>,
  target: ClearTarget,
  was: RetunedSocket,
  assumed: ReadonlyMap<bigint, Partial<SocketOptions>>,
  work: Work,
): Promise<Verdict> {
  const refusal = refuseRetune(target);
  if (refusal) return { refusal: refusal.because };
  const worked = await workOnDescriptor(context, target, (libc, socket): Verdict => {
    const read = optionsOf(libc, socket);
    if (read === undefined) return { refusal: 'its options cannot be read' };
    const present = { ...read, ...assumed.get(was.cookie) };
    const stands = judgeRetuned(was, present);
    if (stands === 'as-set') return work(libc, socket, present, was);
    if (stands === 'back') return { refusal: 'back already', isOver: true };
    const now = wishText(
      Object.fromEntries(Object.keys(was.after).map((key) => [key, present[key as keyof SocketOptions]])),
    );
    return { refusal: `${now} now, no longer what was set` };
  });
  if ('value' in worked) return worked.value;
  return { refusal: [worked.because ?? 'gone', worked.todo].filter(Boolean).join('; ') };
}

function presentTargets(
  effects: Effects,
  observation: Observation,
  wanted: ReadonlyMap<bigint, RetunedSocket>,
): Map<bigint, ClearTarget> {
  const rowsOf = new Map(
    observation.namespaces.map((namespace) => {
      const { table } = namespace;
      const rows: Row[] = [];
      for (let row = 0; row < table.count; row++) if (wanted.has(table.cookie(row))) rows.push(row);
      return [namespace, rows] as const;
    }),
  );
  fetchOwners(effects, observation, rowsOf);
  const targets = new Map<bigint, ClearTarget>();
  for (const [namespace, rows] of rowsOf) {
    for (const row of rows) {
      const { table } = namespace;
      targets.set(table.cookie(row), targetOf(namespace, row, observation.owners.get(table.inode(row)) ?? []));
    }
  }
  return targets;
}
