import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { type HeldBy, type Holder, holderOf, holders, ownersKey } from './holder.ts';
import { type ListenerIndex, listenerIndex } from './listeners.ts';
import { type Service, servicesOf } from './service.ts';

/** Sockets that share one fault: same state, holder, service and variant. */
export interface Group {
  state: number;
  service: Service;
  holder: Holder;
  variant: string;
  rows: readonly Row[];
}

export interface GroupOptions {
  /** Splits further, e.g. by verdict; one short string per row. */
  variant?: (row: Row) => string;
  /** Names the socket whose holder counts, where it is not the row itself: its listener. */
  heldThrough?: (row: Row) => Row | undefined;
  /** For sockets that nobody holds: group by service alone. */
  ignoreHolder?: boolean;
  /**
   * For faults outside the program: who holds some of its sockets besides (a child that inherited them) is no reason
   * for a finding of its own.
   */
  joinCoHolders?: boolean;
}

const NOBODY: HeldBy = { key: '', unheldLabel: 'no process', owners: [] };

/** The sockets of a family that are for one service. */
interface Member {
  service: Service;
  rows: Row[];
  held: HeldBy[];
}

/** Sockets that differ in nothing but their service. */
interface Family {
  holderKey: string;
  unheldLabel: string;
  state: number;
  variant: string;
  rows: Row[];
  /** Who holds each of the rows; one object for all that one process holds alone. */
  held: HeldBy[];
}

/** Ten thousand leaks of one program are one group. Order: as first met, what has the same holder together. */
export function groupRows(
  namespace: NamespaceSnapshot,
  rows: readonly Row[],
  context: RuleContext,
  options: GroupOptions = {},
): Group[] {
  const { table } = namespace;
  const heldByOf = holders(context.snapshot, namespace);
  /** By holder: no text is put together for each of ten thousands. */
  const families = new Map<string, Family[]>();
  // Neighbours mostly have the same holder: then nothing is searched for.
  let family: Family | undefined;
  for (const row of rows) {
    const held = options.ignoreHolder ? NOBODY : heldByOf(options.heldThrough?.(row) ?? row);
    const variant = options.variant?.(row) ?? '';
    const state = table.state(row);
    const holderKey = options.joinCoHolders && held.owners.length > 1 ? ownersKey(held.owners.slice(0, 1)) : held.key;
    if (family?.holderKey !== holderKey || family.state !== state || family.variant !== variant) {
      let ofHolder = families.get(holderKey);
      if (!ofHolder) {
        ofHolder = [];
        families.set(holderKey, ofHolder);
      }
      family = ofHolder.find((each) => each.state === state && each.variant === variant);
      if (!family) {
        family = { holderKey, unheldLabel: held.unheldLabel, state, variant, rows: [], held: [] };
        ofHolder.push(family);
      }
    }
    family.rows.push(row);
    family.held.push(held);
  }
  const listeners = context.memo(namespace, listenerIndex);
  return [...families.values()].flat().flatMap((each) => groupsOf(each, namespace, listeners));
}

function groupsOf(family: Family, namespace: NamespaceSnapshot, listeners: ListenerIndex): Group[] {
  const { holderKey, unheldLabel, state, variant } = family;
  const { numbers, services } = servicesOf(namespace, listeners, family.rows);
  const byService: (Member | undefined)[] = services.map(() => undefined);
  const inOrder: Member[] = [];
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index];
    let group = byService[number];
    if (!group) {
      group = { service: services[number], rows: [], held: [] };
      byService[number] = group;
      inOrder.push(group);
    }
    group.rows.push(family.rows[index]);
    if (group.held.at(-1) !== family.held[index]) group.held.push(family.held[index]);
  }
  return inOrder.map(({ service, rows, held }) => ({
    state,
    service,
    variant,
    rows,
    holder: holderOf(holderKey, unheldLabel, held),
  }));
}
