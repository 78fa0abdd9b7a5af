import { type FilterAst, type Note, type Row, TcpState } from '@lastack/core';
import { CookieList, DestroyLanes, DiagTable, findCookies, GONE, KernelError, RequestPacker } from '@lastack/kernel';
import { type Effects, UserError } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';
import { countMinisockets, listMinisockets, type MinisocketMatch, tableOfMinisockets } from './minisockets.ts';
import { closeNamespaces, type OpenNamespace, openNamespaces } from './observation.ts';

/** What is to be ended, and what all namespaces of one run have in common. */
export interface MinisocketRun {
  effects: Effects;
  filter: FilterAst;
  /** So many sockets may be ended in all. */
  limit: number;
  /** Asked for before the first change. */
  journal(): Promise<Journal>;
  /** Nothing more is ended once it is aborted. */
  signal: AbortSignal;
  /** Is given what could not be done. */
  notes: Note[];
  progress(done: number): void;
}

/** Of one namespace. */
export interface ClearedMinisockets {
  cleared: number;
  /** They match, and are still there as far as could be seen. */
  left: number;
}

export interface ClearedMatch extends ClearedMinisockets, MinisocketMatch {
  /** Rows of the table that are still there. */
  leftRows: ReadonlySet<Row>;
}

/** Ends what was listed and agreed to, and looks again. Rejects with KernelError or UserError while nothing was ended. */
export async function clearListed(run: MinisocketRun, matches: readonly MinisocketMatch[]): Promise<ClearedMatch[]> {
  const results: ClearedMatch[] = [];
  const journal = await run.journal();
  let before = 0;
  for (const { open, table } of matches) {
    if (run.signal.aborted) break;
    const result = await unlessFirst(run, open, results, () =>
      new Clearing(run, open, before).clearTable(table, journal),
    );
    if (result) results.push(result);
    before += table.count;
  }
  return results;
}

/**
 * Ends the sockets that match while the kernel still lists the others: for whoever need not see them first. The caller has
 * made sure that there are not more than may be ended, matching or not. Rejects with KernelError or UserError while nothing
 * was ended; what fails later is a note.
 */
export async function clearWhileListing(
  run: MinisocketRun,
  opened: readonly OpenNamespace[],
): Promise<ClearedMinisockets[]> {
  const results: ClearedMinisockets[] = [];
  let before = 0;
  for (const open of opened) {
    if (run.signal.aborted) break;
    const expected = countMinisockets(run.effects, open);
    if (expected === 0) continue;
    const clearing = new Clearing(run, open, before, expected);
    const result = await unlessFirst(run, open, results, () => clearing.listAndClear());
    before += clearing.asked;
    if (result && result.cleared + result.left > 0) results.push(result);
  }
  return results;
}

/** What fails in a later namespace does not take away what is to be told of those before. */
async function unlessFirst<T>(
  { notes }: MinisocketRun,
  { ref }: OpenNamespace,
  before: readonly unknown[],
  clear: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await clear();
  } catch (error) {
    if (before.length === 0 || !isExpected(error)) throw error;
    notes.push(failureNote(`TIME_WAIT sockets in ${ref.label} not ended`, error));
    return undefined;
  }
}

function isExpected(error: unknown): error is KernelError | UserError {
  return error instanceof KernelError || error instanceof UserError;
}

function failureNote(what: string, error: KernelError | UserError): Note {
  return {
    what,
    because: error.message,
    todo: error instanceof KernelError ? error.todo : undefined,
    incomplete: true,
  };
}

/** Whatever is in TIME_WAIT. */
const ALL: FilterAst = { states: 1 << TcpState.TIME_WAIT, notes: [] };

/** In one namespace. */
class Clearing {
  readonly #run: MinisocketRun;
  readonly #open: OpenNamespace;
  readonly #expected: number | undefined;
  readonly #limit: number;
  readonly #lanes: DestroyLanes;
  /** Nothing more is sent after a failure. */
  readonly #stop = new AbortController();
  #written: { journal: Journal; id: number; summary: string; data: object } | undefined;

  /** @param before sockets of other namespaces */
  constructor(run: MinisocketRun, open: OpenNamespace, before: number, expected?: number) {
    this.#run = run;
    this.#open = open;
    this.#expected = expected;
    this.#limit = Math.max(run.limit - before, 0);
    // The second connection serves walks over merely bound sockets: none for TIME_WAIT.
    this.#lanes = new DestroyLanes(open.diagAside, {
      expected,
      limit: this.#limit,
      signal: AbortSignal.any([run.signal, this.#stop.signal]),
      onProgress: (done) => run.progress(before + done),
    });
  }

  /** How many the kernel was asked to end. */
  get asked(): number {
    return this.#lanes.asked.count;
  }

  async clearTable(table: DiagTable, journal: Journal): Promise<ClearedMatch> {
    this.#record(journal, String(table.count), { count: table.count });
    this.#lanes.addRows(table);
    await this.#finish();
    const now = await this.#inTimeWaitNow();
    const leftRows = new Set<Row>();
    if (now === undefined || now.count > 0) {
      const where = now && findCookies(CookieList.of(table), now);
      for (let row = 0; row < table.count; row++) if (!where || where[row] !== GONE) leftRows.add(row);
    }
    const { size } = leftRows;
    return { open: this.#open, table, leftRows, ...this.#ended(table.count - size, size) };
  }

  async listAndClear(): Promise<ClearedMinisockets> {
    const lanes = this.#lanes;
    await this.#listIntoLanes();
    if (lanes.asked.count + lanes.overLimit === 0) return { cleared: 0, left: 0 };
    await this.#finish();
    let now = await this.#inTimeWaitNow();
    if (now && now.count > 0 && (await this.#addOthers(now))) {
      await this.#finish();
      now = await this.#inTimeWaitNow();
    }
    const { count } = lanes.asked;
    if (!now) return this.#ended(0, count);
    const found = countFound(lanes.asked, now);
    // Who was never listed is left, too, where not all were to be ended; otherwise such a one came later.
    const left = this.#isCutShort ? ((await this.#matching())?.count ?? found) : found;
    if (lanes.overLimit > 0 && left > 0) this.#run.notes.push(this.#overLimit(left));
    return this.#ended(count - found, left);
  }

  /** Not all that was listed was to be ended. */
  get #isCutShort(): boolean {
    return this.#lanes.overLimit > 0 || this.#run.signal.aborted || this.#stop.signal.aborted;
  }

  /** Lists what matches, and ends it as it comes. Rejects while nothing was ended; what fails later is a note. */
  async #listIntoLanes(): Promise<void> {
    const { effects, filter, notes } = this.#run;
    const lanes = this.#lanes;
    const some = new DiagTable();
    let recording: Promise<void> | undefined;
    let failure: { error: unknown } | undefined;
    const fail = (error: unknown) => {
      failure ??= { error };
      this.#stop.abort();
    };
    const go = () => {
      if (some.count > 0) lanes.addRows(some);
      some.clear();
      // The kernel goes on listing meanwhile.
      if (lanes.asked.count > 0) recording ??= this.#recordFirst().catch(fail);
      if (this.#written) lanes.advance();
    };
    const sink = {
      bulk: RequestPacker.into(lanes, effects.compiled('pack_rows')),
      add: (table: DiagTable, row: Row) => some.copyRow(table, row),
      read: () => go(),
    };
    await listMinisockets(effects, this.#open, filter, notes, sink).then(go).catch(fail);
    await recording;
    if (failure) await this.#failed(failure.error);
  }

  async #recordFirst(): Promise<void> {
    const journal = await this.#run.journal();
    if (this.#stop.signal.aborted) return;
    this.#record(journal, `up to ${this.#limit}`, { atMost: this.#limit, present: this.#expected });
    this.#lanes.advance();
  }

  /** Until nothing is under way any more. */
  async #finish(): Promise<void> {
    try {
      await this.#lanes.finish();
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** Once something may have been ended, a failure is a note and what became of it is still looked for. */
  async #failed(error: unknown): Promise<void> {
    this.#stop.abort();
    await this.#lanes.finish().catch(() => undefined);
    if (!this.#written || !isExpected(error)) throw error;
    this.#run.notes.push(failureNote(`ending TIME_WAIT sockets in ${this.#open.ref.label} was broken off`, error));
  }

  /**
   * Adds what matches and was not asked for: the kernel counts its way through a hash bucket, so one that ended there before
   * the next were listed hides one of them. What has come since is ended with it. @returns whether there is any
   */
  async #addOthers(now: DiagTable): Promise<boolean> {
    const lanes = this.#lanes;
    if (this.#isCutShort || countFound(lanes.asked, now) === now.count) return false;
    const matching = await this.#matching();
    if (!matching) return false;
    const others = othersIn(matching, findCookies(lanes.asked, matching));
    lanes.addRows(others);
    return others.count > 0;
  }

  /** What matches now; undefined when that cannot be seen. */
  #matching(): Promise<DiagTable | undefined> {
    return this.#look(this.#run.filter);
  }

  /** Everything in TIME_WAIT now; undefined when that cannot be seen. */
  #inTimeWaitNow(): Promise<DiagTable | undefined> {
    return this.#look(ALL);
  }

  async #look(filter: FilterAst): Promise<DiagTable | undefined> {
    const { effects, notes } = this.#run;
    const what = `looking again in ${this.#open.ref.label}`;
    if (countMinisockets(effects, this.#open) === 0) return new DiagTable();
    const said: Note[] = [];
    // After a failure the first connection may be in the middle of a list for ever.
    const again = this.#stop.signal.aborted ? openNamespaces(effects, [this.#open.ref.inode], said) : [];
    try {
      return await tableOfMinisockets(effects, again[0] ?? this.#open, filter, said);
    } catch (error) {
      if (!isExpected(error)) throw error;
      notes.push(failureNote(what, error));
      return undefined;
    } finally {
      closeNamespaces(again);
      for (const note of said) if (note.incomplete) notes.push({ ...note, what: `${what}: ${note.what}` });
    }
  }

  /** To be written before the first is ended. @throws UserError when it cannot be */
  #record(journal: Journal, count: string, counts: object): void {
    const { ref } = this.#open;
    const command = this.#run.effects.argv.join(' ');
    const summary = `destroy ${count} TIME_WAIT sockets in ${ref.label} (lastack ${command})`;
    const data = { netns: ref.inode, label: ref.label, state: 'TIME_WAIT', command, ...counts };
    this.#written = { journal, id: journal.begin({ action: 'destroy', summary, data }), summary, data };
  }

  #ended(cleared: number, left: number): ClearedMinisockets {
    if (this.#written) {
      const { journal, id, summary, data } = this.#written;
      journal.end(id, { action: 'destroy', summary: `${summary}: ${cleared} gone`, data: { ...data, cleared } });
    }
    return { cleared, left };
  }

  #overLimit(left: number): Note {
    return {
      what: `${left} sockets in ${this.#open.ref.label} not ended`,
      because: `more came while they were listed than --max ${this.#run.limit} allows`,
      todo: 'run it again',
      incomplete: true,
    };
  }
}

function countFound(cookies: CookieList, now: DiagTable): number {
  if (now.count === 0) return 0;
  let found = 0;
  for (const at of findCookies(cookies, now)) if (at !== GONE) found++;
  return found;
}

/** The rows that are not in `known`. */
function othersIn(table: DiagTable, known: Int32Array): DiagTable {
  const isKnown = new Set(known);
  const others = new DiagTable();
  for (let row = 0; row < table.count; row++) if (!isKnown.has(row)) others.copyRow(table, row);
  return others;
}
