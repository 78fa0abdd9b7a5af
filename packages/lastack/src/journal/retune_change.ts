import {
  type ClearTarget,
  differingKeys,
  pickOptions,
  RETUNE_ORDER,
  type RetuneStep,
  type RetuneWish,
  type SocketOptions,
} from '@lastack/core';
import type { JournalEntry } from './journal.ts';
import { compactTargets, type TargetData } from './target_data.ts';

export const RETUNE_ACTION = 'retune';

/** Sockets that had, and got, the same values. */
interface RetuneSet {
  before: RetuneWish;
  after: RetuneWish;
  /** Hexadecimal. */
  cookies: string[];
}

/** The data of an entry: which sockets were meant, and what each had before. */
export interface RetuneData {
  targets: TargetData;
  sets: RetuneSet[];
}

/** One socket of an entry. */
export interface RetunedSocket {
  cookie: bigint;
  before: RetuneWish;
  after: RetuneWish;
}

export function retuneData(steps: readonly RetuneStep[]): RetuneData {
  const sets = new Map<string, RetuneSet>();
  for (const { target, before, after, keys } of steps) {
    const values = { before: pickOptions(before, keys), after: pickOptions(after, keys) };
    const key = JSON.stringify(values);
    const known = sets.get(key) ?? { ...values, cookies: [] };
    known.cookies.push(cookieText(target));
    sets.set(key, known);
  }
  return { targets: compactTargets(steps.map(({ target }) => target)), sets: [...sets.values()] };
}

function cookieText({ cookie }: Pick<ClearTarget, 'cookie'>): string {
  return cookie.toString(16);
}

/** The sockets of an entry by cookie, and where they were; undefined when the entry does not tell. */
export function retunedSockets({
  data,
}: Pick<JournalEntry, 'data'>): { namespaces: number[]; sockets: Map<bigint, RetunedSocket> } | undefined {
  if (!isRecord(data) || !isRecord(data.targets) || !Array.isArray(data.sets)) return undefined;
  const sockets = new Map<bigint, RetunedSocket>();
  for (const set of data.sets as unknown[]) {
    if (!isRecord(set) || !Array.isArray(set.cookies)) return undefined;
    const [before, after] = [readOptions(set.before), readOptions(set.after)];
    if (!before || !after) return undefined;
    for (const text of set.cookies as unknown[]) {
      if (typeof text !== 'string' || !/^[0-9a-f]{1,16}$/.test(text)) return undefined;
      const cookie = BigInt(`0x${text}`);
      sockets.set(cookie, { cookie, before, after });
    }
  }
  const namespaces = Object.keys(data.targets).map(Number);
  return namespaces.every(Number.isSafeInteger) ? { namespaces, sockets } : undefined;
}

function readOptions(value: unknown): RetuneWish | undefined {
  if (!isRecord(value)) return undefined;
  const options: Record<string, unknown> = {};
  for (const [key, read] of Object.entries(value)) {
    const isKnown = (RETUNE_ORDER as readonly string[]).includes(key);
    const isValid = key === 'keepalive' ? typeof read === 'boolean' : Number.isSafeInteger(read);
    if (!isKnown || !isValid) return undefined;
    options[key] = read;
  }
  return options;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** How a socket that was retuned stands now. */
export function judgeRetuned({ before, after }: RetunedSocket, present: SocketOptions): 'as-set' | 'back' | 'other' {
  if (differingKeys(present, after).length === 0) return 'as-set';
  return differingKeys(present, before).length === 0 ? 'back' : 'other';
}
