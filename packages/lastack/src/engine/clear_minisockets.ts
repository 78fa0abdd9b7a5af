import type { FilterAst, Note, Row } from '@lastack/core';
import { CookieList, DestroyLanes, DiagTable, findCookies, GONE, RequestPacker } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';
import { countMinisockets, listMinisockets, type MinisocketMatch, tableOfMinisockets } from './minisockets.ts';
import type { OpenNamespace } from './observation.ts';

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
  /** They match, and are still there. */
  left: number;
}

export interface ClearedMatch extends ClearedMinisockets, MinisocketMatch {
  /** Rows of the table that are still there. */
  leftRows: ReadonlySet<Row>;
}

/** Ends what was listed and agreed to, and looks again. Rejects with KernelError or UserError. */
export async function clearListed(run: MinisocketRun, matches: readonly MinisocketMatch[]): Promise<ClearedMatch[]> {
  const results: ClearedMatch[] = [];
  const journal = await run.journal();
  let before = 0;
  for (const match of matches) {
    if (run.signal.aborted) break;
    results.push(await new Clearing(run, match.open, before).clearTable(match.table, journal));
    before += match.table.count;
  }
  return results;
}

/**
 * Ends the sockets that match while the kernel still lists the others: for whoever need not see them first. The caller has
 * made sure that there are not more than may be ended, matching or not. Rejects with KernelError or UserError.
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
    const result = await new Clearing(run, open, before, expected).listAndClear();
    before += result.cleared + result.left;
    if (result.cleared + result.left > 0) results.push(result);
  }
  return results;
}

/** In one namespace. */
class Clearing {
  readonly #run: MinisocketRun;
  readonly #open: OpenNamespace;
  readonly #expected: number | undefined;
  readonly #lanes: DestroyLanes;
  #written: { journal: Journal; id: number; summary: string; data: object } | undefined;

  /** @param before sockets of other namespaces */
  constructor(run: MinisocketRun, open: OpenNamespace, before: number, expected?: number) {
    this.#run = run;
    this.#open = open;
    this.#expected = expected;
    // The second connection serves walks over merely bound sockets: none for TIME_WAIT.
    this.#lanes = new DestroyLanes(open.diagAside, {
      expected,
      // More may have come elsewhere than are allowed in all.
      limit: Math.max(run.limit - before, 0),
      signal: run.signal,
      onProgress: (done) => run.progress(before + done),
    });
  }

  async clearTable(table: DiagTable, journal: Journal): Promise<ClearedMatch> {
    this.#record(journal, String(table.count));
    this.#lanes.addRows(table);
    await this.#lanes.finish();
    const leftRows = new Set<Row>();
    const cookies = CookieList.of(table);
    findCookies(cookies, await this.#matchingNow()).forEach((at, row) => {
      if (at !== GONE) leftRows.add(row);
    });
    return { open: this.#open, table, leftRows, ...this.#ended(table.count - leftRows.size, leftRows.size) };
  }

  async listAndClear(): Promise<ClearedMinisockets> {
    const lanes = this.#lanes;
    await this.#listIntoLanes();
    if (lanes.asked.count + lanes.overLimit === 0) return { cleared: 0, left: 0 };
    await lanes.finish();
    let now = await this.#matchingNow();
    const isAllowed = lanes.overLimit === 0 && !this.#run.signal.aborted;
    const others = isAllowed && now.count > 0 ? othersIn(now, findCookies(lanes.asked, now)) : undefined;
    if (others && others.count > 0) {
      // The kernel counts its way through a hash bucket: one that ended there before the next were listed hid one of them.
      lanes.addRows(others);
      await lanes.finish();
      now = await this.#matchingNow();
    }
    const left = this.#leftOf(now);
    if (lanes.overLimit > 0 && left > 0) this.#run.notes.push(this.#overLimit(left));
    return this.#ended(lanes.asked.count - countFound(lanes.asked, now), left);
  }

  /** Lists what matches, and ends it as it comes. */
  async #listIntoLanes(): Promise<void> {
    const { effects, filter, notes } = this.#run;
    const lanes = this.#lanes;
    const some = new DiagTable();
    let recording: Promise<void> | undefined;
    let failure: { error: unknown } | undefined;
    const fail = (error: unknown) => {
      failure ??= { error };
    };
    const go = () => {
      lanes.addRows(some);
      some.clear();
      // The kernel goes on listing meanwhile.
      if (lanes.asked.count > 0) recording ??= this.#recordFirst(() => failure !== undefined).catch(fail);
      if (this.#written) lanes.advance();
    };
    const sink = {
      bulk: RequestPacker.into(lanes, effects.compiled('pack_rows')),
      add: (table: DiagTable, row: Row) => some.copyRow(table, row),
      read: () => go(),
    };
    await listMinisockets(effects, this.#open, filter, notes, sink).then(go).catch(fail);
    await recording;
    if (!failure) return;
    if (this.#written) await lanes.finish();
    throw failure.error;
  }

  /** @param isOver whether nothing is to be ended any more */
  async #recordFirst(isOver: () => boolean): Promise<void> {
    const journal = await this.#run.journal();
    if (isOver()) return;
    this.#record(journal, `up to ${this.#expected ?? this.#run.limit}`);
    this.#lanes.advance();
  }

  /** Where not all were to be ended, those count that were never listed, too; otherwise one that came later does not. */
  #leftOf(now: DiagTable): number {
    const { asked, overLimit } = this.#lanes;
    return overLimit > 0 || this.#run.signal.aborted ? now.count : countFound(asked, now);
  }

  /** The sockets that match now. */
  async #matchingNow(): Promise<DiagTable> {
    const { effects, filter, notes } = this.#run;
    if (countMinisockets(effects, this.#open) === 0) return new DiagTable();
    const said: Note[] = [];
    const table = await tableOfMinisockets(effects, this.#open, filter, said);
    for (const note of said) if (note.incomplete) notes.push({ ...note, what: `looking again at ${note.what}` });
    return table;
  }

  /** To be written before the first is ended. @throws UserError when it cannot be */
  #record(journal: Journal, count: string): void {
    const { ref } = this.#open;
    const command = this.#run.effects.argv.join(' ');
    const summary = `destroy ${count} TIME_WAIT sockets in ${ref.label} (lastack ${command})`;
    const data = { netns: ref.inode, label: ref.label, command, count };
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
  let found = 0;
  if (now.count > 0) for (const at of findCookies(cookies, now)) if (at !== GONE) found++;
  return found;
}

/** The rows that are not in `known`. */
function othersIn(table: DiagTable, known: Int32Array): DiagTable {
  const isKnown = new Set(known);
  const others = new DiagTable();
  for (let row = 0; row < table.count; row++) if (!isKnown.has(row)) others.copyRow(table, row);
  return others;
}
