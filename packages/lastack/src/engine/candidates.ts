import { type Need, type Row, type Rule, TcpState } from '@lastack/core';
import type { ObservedNamespace } from './observation.ts';

/** What is fetched for a row, one bit each: all rules are asked once, and each thing fetched once. */
const BITS: Readonly<Record<Need | 'peer', number>> = {
  info: 1,
  owners: 2,
  activity: 4,
  path: 8,
  options: 16,
  conntrack: 32,
  counters: 0,
  peer: 64,
};
/** The row is listed, whatever it is needed for. */
const LISTED = 128;

/** The rows of one namespace that rules look at. */
export class Candidates {
  readonly #rowsOf: ReadonlyMap<Rule, Row[]>;
  /** Every row that something is fetched for, once, in the order met. */
  readonly #rows: Row[] = [];
  readonly #bits: Uint8Array;
  readonly #table: ObservedNamespace['table'];

  constructor(namespace: ObservedNamespace, rules: readonly Rule[]) {
    this.#table = namespace.table;
    this.#bits = new Uint8Array(namespace.table.count);
    this.#rowsOf = candidatesOf(namespace, rules);
    for (const [rule, rows] of this.#rowsOf) {
      // The other ends of TIME_WAIT sockets have gone.
      let bits = rule.states.includes(TcpState.TIME_WAIT) ? 0 : BITS.peer;
      for (const need of rule.needs) bits |= BITS[need];
      this.#mark(rows, bits);
      if (rows.length > 0 && rule.witnesses) this.#mark(rule.witnesses(namespace, rows), BITS.info);
    }
  }

  of(rule: Rule): readonly Row[] {
    return this.#rowsOf.get(rule) ?? [];
  }

  isNeeded(need: Need): boolean {
    return [...this.#rowsOf].some(([rule, rows]) => rows.length > 0 && rule.needs.includes(need));
  }

  needing(need: Need | 'peer'): Row[] {
    const [rows, bits, bit] = [this.#rows, this.#bits, BITS[need]];
    const needing: Row[] = [];
    for (let index = 0; index < rows.length; index++) if ((bits[rows[index]] & bit) !== 0) needing.push(rows[index]);
    // Minisockets carry no TCP_INFO.
    return need === 'info' ? needing.filter((row) => this.#table.kind(row) !== 'minisocket') : needing;
  }

  #mark(rows: readonly Row[], bits: number): void {
    const marks = this.#bits;
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index];
      if (marks[row] === 0) this.#rows.push(row);
      marks[row] |= bits | LISTED;
    }
  }
}

/** Each row is shown only to the rules of its state; each rule sees one of those that are alike. */
function candidatesOf(namespace: ObservedNamespace, rules: readonly Rule[]): Map<Rule, Row[]> {
  const { table } = namespace;
  const rowsOf = new Map(rules.map((rule) => [rule, [] as Row[]]));
  for (const state of new Set(rules.flatMap(({ states }) => states).sort((one, other) => one - other))) {
    const rows = table.rowsIn(state);
    if (rows.length === 0) continue;
    const { numbers, firsts } = table.alike(rows);
    const ofState = rules.filter(({ states }) => states.includes(state));
    const listsOf = firsts.map((first) =>
      ofState.flatMap((rule) => (rule.candidate(namespace, first) ? [rowsOf.get(rule) ?? []] : [])),
    );
    for (let index = 0; index < rows.length; index++) {
      const lists = listsOf[numbers[index]];
      for (let list = 0; list < lists.length; list++) lists[list].push(rows[index]);
    }
  }
  return rowsOf;
}
