import type { FilterAst, Note, Row } from '@lastack/core';
import { DestroyLanes, DiagTable, findByCookie, GONE } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { Journal } from '../journal/journal.ts';
import { countMinisockets, listMinisockets, type MinisocketMatch, tableFor } from './minisockets.ts';
import type { OpenNamespace } from './observation.ts';

export interface ClearedMinisockets extends MinisocketMatch {
  /** Rows of the table that are still there. */
  left: ReadonlySet<Row>;
}

/** What is to be ended, and what all namespaces of one run have in common. */
export interface MinisocketRun {
  effects: Effects;
  filter: FilterAst;
  /** So many sockets may be ended in all. */
  limit: number;
  /** Asked for once, before the first change. */
  journal(): Promise<Journal>;
  /** Nothing more is ended once it is aborted. */
  signal: AbortSignal;
  /** Is given what could not be done. */
  notes: Note[];
  progress(done: number): void;
}

/** Ends what was listed and agreed to, and looks again. Rejects with KernelError or UserError. */
export async function clearListed(
  run: MinisocketRun,
  matches: readonly MinisocketMatch[],
): Promise<ClearedMinisockets[]> {
  const results: ClearedMinisockets[] = [];
  const journal = await run.journal();
  for (const match of matches) {
    if (run.signal.aborted) break;
    const clearing = new Clearing(run, match, countIn(results));
    clearing.record(journal, String(match.table.count));
    results.push(await clearing.endListed());
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
  for (const open of opened) {
    if (run.signal.aborted) break;
    const expected = countMinisockets(run.effects, open);
    if (expected === 0) continue;
    const clearing = new Clearing(run, { open, table: tableFor(expected) }, countIn(results));
    const result = await clearing.listAndEnd(`up to ${expected}`);
    if (result.table.count > 0) results.push(result);
  }
  return results;
}

function countIn(matches: readonly MinisocketMatch[]): number {
  return matches.reduce((sum, { table }) => sum + table.count, 0);
}

/** In one namespace. */
class Clearing {
  readonly #run: MinisocketRun;
  readonly #match: MinisocketMatch;
  readonly #allowed: number;
  readonly #lanes: DestroyLanes;
  #written: { journal: Journal; id: number; summary: string; data: object } | undefined;

  /** @param before sockets of other namespaces */
  constructor(run: MinisocketRun, match: MinisocketMatch, before: number) {
    this.#run = run;
    this.#match = match;
    this.#allowed = run.limit - before;
    // The second connection serves walks over merely bound sockets: none for TIME_WAIT.
    this.#lanes = new DestroyLanes(match.open.diagAside, match.table, {
      signal: run.signal,
      limit: this.#allowed,
      onProgress: (done) => run.progress(before + done),
    });
  }

  /** To be written before the first is ended. @throws UserError when it cannot be */
  record(journal: Journal, count: string): void {
    const { ref } = this.#match.open;
    const command = this.#run.effects.argv.join(' ');
    const summary = `destroy ${count} TIME_WAIT sockets in ${ref.label} (lastack ${command})`;
    const data = { netns: ref.inode, label: ref.label, command, count };
    this.#written = { journal, id: journal.begin({ action: 'destroy', summary, data }), summary, data };
  }

  async listAndEnd(count: string): Promise<ClearedMinisockets> {
    const { effects, filter, notes } = this.#run;
    const { table } = this.#match;
    let journal: Journal | undefined;
    const go = () => {
      if (!journal || table.count === 0) return;
      if (!this.#written) this.record(journal, count);
      this.#lanes.advance();
    };
    const listing = listMinisockets(effects, this.#match, filter, notes, go);
    // The kernel is at work meanwhile.
    const opening = this.#run.journal().then((opened) => {
      journal = opened;
      go();
    });
    const ended = await Promise.allSettled([listing, opening]);
    const failure = ended.find((one) => one.status === 'rejected');
    if (failure) {
      await this.#lanes.finish();
      throw failure.reason;
    }
    go();
    return this.#finish(true);
  }

  endListed(): Promise<ClearedMinisockets> {
    return this.#finish(false);
  }

  /** @param andHidden sockets that match and are in no list yet are ended, too */
  async #finish(andHidden: boolean): Promise<ClearedMinisockets> {
    const { table } = this.#match;
    if (table.count === 0) return { ...this.#match, left: new Set() };
    await this.#lanes.finish();
    let look = await this.#lookAgain();
    if (andHidden && look.others.size > 0 && !this.#run.signal.aborted) {
      // The kernel counts its way through a hash bucket: one that ended there before the next were listed hid one of them.
      for (const row of look.others) table.copyRow(look.now, row);
      await this.#lanes.finish();
      look = await this.#lookAgain();
    }
    this.#noteOverLimit();
    this.#end(table.count - look.left.size);
    return { ...this.#match, left: look.left };
  }

  /** Which rows are still there, and which sockets match that are none of them. */
  async #lookAgain(): Promise<{ left: Set<Row>; now: DiagTable; others: Set<Row> }> {
    const { effects, filter, notes } = this.#run;
    const { open, table } = this.#match;
    const now = new DiagTable();
    const left = new Set<Row>();
    if (countMinisockets(effects, open) === 0) return { left, now, others: new Set() };
    const said: Note[] = [];
    await listMinisockets(effects, { open, table: now }, filter, said);
    for (const note of said) if (note.incomplete) notes.push({ ...note, what: `looking again at ${note.what}` });
    const others = new Set(Array.from({ length: now.count }, (_, row) => row));
    findByCookie(table, now).forEach((at, row) => {
      if (at <= GONE) return;
      left.add(row);
      others.delete(at);
    });
    return { left, now, others };
  }

  #noteOverLimit(): void {
    const over = this.#match.table.count - this.#allowed;
    if (over <= 0) return;
    const what = `${over} sockets in ${this.#match.open.ref.label} not ended`;
    const because = `more came while they were listed than --max ${this.#run.limit} allows`;
    this.#run.notes.push({ what, because, todo: 'run it again', incomplete: true });
  }

  #end(gone: number): void {
    if (!this.#written) return;
    const { journal, id, summary, data } = this.#written;
    journal.end(id, { action: 'destroy', summary: `${summary}: ${gone} gone`, data: { ...data, cleared: gone } });
  }
}
