import type { Note, Refusal, Row } from '@lastack/core';
import { type Effects, Exit } from '../../effects.ts';
import type { ClearedMatch, ClearedMinisockets } from '../../engine/clear_minisockets.ts';
import type { MinisocketMatch } from '../../engine/minisockets.ts';
import type { Scope } from '../../engine/namespaces.ts';
import type { OutcomeResultJson } from '../../report/outcome_json.ts';
import { writeFitting } from './fit_lines.ts';
import { noMatch } from './no_match.ts';
import { noteLine } from './note_line.ts';
import { TextChunks } from './text_chunks.ts';

/** Above this many sockets a terminal shows how far it has come. */
const PROGRESS_FROM = 1000;

/** What `clear` says of TIME_WAIT sockets: counts, or with --json each of them, written as it goes. */
export class MinisocketReport {
  readonly #effects: Effects;
  readonly #json: boolean;
  readonly #dryRun: boolean;
  readonly #notes: readonly Note[];
  #isProgressShown = false;

  constructor(effects: Effects, flags: { json?: boolean; dryRun?: boolean }, notes: readonly Note[]) {
    this.#effects = effects;
    this.#json = flags.json ?? false;
    this.#dryRun = flags.dryRun ?? false;
    this.#notes = notes;
  }

  nothing(scope: Scope): number {
    if (this.#json) this.#document([], false, () => ({ outcome: 'planned' }));
    else this.#effects.stderr.write(`lastack: ${noMatch(scope)}\n`);
    return this.#end(Exit.FOUND_OR_NO_MATCH);
  }

  planned(matches: readonly MinisocketMatch[]): number {
    if (this.#json) this.#document(matches, false, () => ({ outcome: 'planned' }));
    else
      writeFitting(
        this.#effects.stdout,
        `plan: ${total(matches)} TIME_WAIT sockets by destroy; the peer sees nothing; nothing is lost\n`,
      );
    return this.#end(Exit.OK);
  }

  refused(matches: readonly MinisocketMatch[], { outcome, because, todo }: Refusal): number {
    if (this.#json) this.#document(matches, false, () => ({ outcome, because, todo }));
    this.#effects.stderr.write(`lastack: TIME_WAIT sockets cannot be cleared: ${because}${todo ? `; ${todo}` : ''}\n`);
    return this.#end(Exit.NOT_POSSIBLE);
  }

  declined(): number {
    this.#effects.stderr.write('lastack: nothing was changed\n');
    return Exit.FOUND_OR_NO_MATCH;
  }

  /** @param atMost there may be fewer */
  progress(done: number, atMost: number): void {
    const { stderr } = this.#effects;
    if (atMost < PROGRESS_FROM || !stderr.isTerminal) return;
    stderr.write(`\r${done} of at most ${atMost} sockets`);
    this.#isProgressShown = true;
  }

  finished(results: readonly ClearedMinisockets[], scope: Scope, interrupted: boolean): number {
    if (results.length === 0 && !interrupted) return this.nothing(scope);
    const cleared = results.reduce((sum, one) => sum + one.cleared, 0);
    const left = results.reduce((sum, one) => sum + one.left, 0);
    this.clearProgress();
    this.#effects.stdout.write(`${cleared} cleared${left > 0 ? `, ${left} still-stuck` : ''}\n`);
    return this.#ended(left, interrupted);
  }

  /** With --json. */
  finishedJson(results: readonly ClearedMatch[], interrupted: boolean): number {
    this.clearProgress();
    this.#document(results, interrupted, ({ leftRows }, row) => ({
      outcome: leftRows.has(row) ? 'still-stuck' : 'cleared',
    }));
    const left = results.reduce((sum, one) => sum + one.left, 0);
    return this.#ended(left, interrupted);
  }

  clearProgress(): void {
    if (this.#isProgressShown) this.#effects.stderr.write('\r\u001b[K');
    this.#isProgressShown = false;
  }

  #ended(left: number, interrupted: boolean): number {
    if (interrupted) return this.#end(Exit.INTERRUPTED);
    return this.#end(left > 0 || this.#notes.some(({ incomplete }) => incomplete) ? Exit.PARTIAL : Exit.OK);
  }

  #end(code: number): number {
    for (const note of this.#notes) if (note.incomplete) this.#effects.stderr.write(`lastack: ${noteLine(note)}\n`);
    return code;
  }

  /** `lastack.outcome/1`, one socket at a time. */
  #document<M extends MinisocketMatch>(
    matches: readonly M[],
    interrupted: boolean,
    verdict: (match: M, row: Row) => Pick<OutcomeResultJson, 'outcome' | 'because' | 'todo'>,
  ): void {
    const out = new TextChunks(this.#effects.stdout);
    const counts: Record<string, number> = {};
    const { hostname: host } = this.#effects;
    const at = new Date(this.#effects.now()).toISOString();
    const head = { schema: 'lastack.outcome/1', host, at, dryRun: this.#dryRun, interrupted };
    out.add(`${JSON.stringify(head).slice(0, -1)},"results":[`);
    let separator = '\n';
    for (const match of matches) {
      for (let row = 0; row < match.table.count; row++) {
        const said = verdict(match, row);
        counts[said.outcome] = (counts[said.outcome] ?? 0) + 1;
        out.add(separator + JSON.stringify(resultOf(match, row, said)));
        separator = ',\n';
      }
    }
    const notes = this.#notes.map(({ what, because, todo }) => ({ what, because, todo }));
    out.add(`],\n"counts":${JSON.stringify(counts)},"notes":${JSON.stringify(notes)}}\n`);
    out.flush();
  }
}

function resultOf(
  { open, table }: MinisocketMatch,
  row: Row,
  said: Pick<OutcomeResultJson, 'outcome' | 'because' | 'todo'>,
): OutcomeResultJson {
  return {
    socket: {
      netns: open.ref.label,
      family: table.family(row) === 4 ? 'inet' : 'inet6',
      state: 'TIME_WAIT',
      kind: 'minisocket',
      local: { address: table.localAddress(row), port: table.localPort(row) },
      remote: { address: table.remoteAddress(row), port: table.remotePort(row) },
      cookie: table.cookie(row).toString(16),
      owners: [],
    },
    method: 'destroy',
    lostBytes: 0,
    ...said,
  };
}

function total(matches: readonly MinisocketMatch[]): number {
  return matches.reduce((sum, { table }) => sum + table.count, 0);
}
