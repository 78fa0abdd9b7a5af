import {
  ageBounds,
  type ClearTarget,
  compileFilter,
  type FilterAst,
  type Finding,
  forecastInputOf,
  type Row,
  requirements,
  type SocketRef,
  targetOf,
} from '@lastack/core';
import { fetchInfo } from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import { filterContext } from './filter_context.ts';
import type { Observation, ObservedNamespace } from './observation.ts';
import { fetchOwners } from './second_pass.ts';
import type { ObservedRef } from './why_matches.ts';

export type SelectedRows = Map<ObservedNamespace, Row[]>;

/** The observed sockets that a filter matches, in the kernel's order; what the filter asks about is fetched first. */
export async function selectRows(
  effects: Effects,
  observation: Observation,
  filter: FilterAst,
  findings: readonly Finding[],
): Promise<SelectedRows> {
  const needs = requirements(filter);
  const everything = new Map(observation.namespaces.map((namespace) => [namespace, rowsOf(namespace)]));
  if (needs.owners) fetchOwners(effects, observation, everything);
  const stuck = new Set(findings.flatMap(({ sockets }) => sockets.map(cookieOf)));
  const selected: SelectedRows = new Map();
  for (const [namespace, rows] of everything) {
    const { table } = namespace;
    if (needs.info) {
      const missing = rows.filter((row) => table.kind(row) !== 'minisocket' && table.info(row) === undefined);
      if (missing.length > 0) await fetchInfo(namespace.diag, table, missing);
    }
    const names = await filterContext(effects, namespace, filter, observation.notes);
    const matches = compileFilter(filter, {
      ...names,
      ownersOf: (inode) => observation.owners.get(inode),
      ageOf: (row) => ageBounds(forecastInputOf(observation, namespace, row)),
      isStuck: (row) => stuck.has(table.cookie(row)),
    });
    const matching = rows.filter((row) => matches(table, row));
    if (matching.length > 0) selected.set(namespace, matching);
  }
  return selected;
}

/** Sockets by their namespace. */
export function rowsOfRefs(refs: readonly ObservedRef[]): SelectedRows {
  const selected: SelectedRows = new Map();
  for (const { namespace, row } of refs) {
    const rows = selected.get(namespace);
    if (rows) rows.push(row);
    else selected.set(namespace, [row]);
  }
  return selected;
}

/** Those of the rows that are among the others too. */
export function inBoth(rows: SelectedRows, others: SelectedRows): SelectedRows {
  const both: SelectedRows = new Map();
  for (const [namespace, some] of rows) {
    const allowed = new Set(others.get(namespace));
    const left = some.filter((row) => allowed.has(row));
    if (left.length > 0) both.set(namespace, left);
  }
  return both;
}

/** The rows as targets, with every holder and the rule that found them stuck. */
export function targetsFor(
  effects: Effects,
  observation: Observation,
  selected: SelectedRows,
  findings: readonly Finding[],
): ClearTarget[] {
  fetchOwners(effects, observation, selected);
  const ruleOf = new Map(findings.flatMap(({ rule, sockets }) => sockets.map((ref) => [cookieOf(ref), rule] as const)));
  return [...selected].flatMap(([namespace, rows]) =>
    rows.map((row) => {
      const owners = observation.owners.get(namespace.table.inode(row)) ?? [];
      return targetOf(namespace, row, owners, ruleOf.get(namespace.table.cookie(row)));
    }),
  );
}

function cookieOf({ namespace, row }: SocketRef): bigint {
  return namespace.table.cookie(row);
}

function rowsOf({ table }: ObservedNamespace): Row[] {
  return Array.from({ length: table.count }, (_, row) => row);
}
