import type { SocketRef } from '../finding.ts';
import type { Forecast } from '../forecast/forecast.ts';
import { groupForecast, sampled } from '../rules/shared/group_forecast.ts';
import { type HeldBy, type Holder, heldBy, holderOf } from '../rules/shared/holder.ts';
import { refsOf } from '../rules/shared/report.ts';
import type { NamespaceSnapshot, Row, Snapshot } from '../snapshot.ts';
import type { SocketKind } from '../tcp/kind.ts';
import { TcpState } from '../tcp/states.ts';
import type { Occupant } from './conflict.ts';
import { lastToGo } from './until.ts';

/** Sockets that are alike and have the port: same namespace, state, address, user and options. */
export interface PortHolder extends Occupant {
  namespace: NamespaceSnapshot;
  /** In the network namespace that asks: only these stand in the way of a bind. */
  isHere: boolean;
  kind: SocketKind;
  interfaceIndex: number;
  rows: readonly Row[];
  holder: Holder;
  /** First to last of the group. */
  forecast: Forecast;
  /** When the last of the group is gone. */
  last: Forecast;
}

/** Options of sockets by cookie, as far as they could be read from their holders. */
export type ReuseOptionsByCookie = ReadonlyMap<bigint, Pick<Occupant, 'reuseaddr' | 'reuseport' | 'v6only'>>;

export interface HolderQuery {
  snapshot: Snapshot;
  isHere(namespace: NamespaceSnapshot): boolean;
  reuse: ReuseOptionsByCookie;
  forecast(ref: SocketRef): Forecast;
}

/** Owners are looked up for this many sockets of a group: a busy server has a hundred thousand connections on its port. */
const OWNERS_SAMPLE = 1_000;

/** The sockets of the snapshot as groups: those that refuse others first, this namespace before the others. */
export function groupHolders(query: HolderQuery): PortHolder[] {
  const holders = query.snapshot.namespaces.flatMap((namespace) =>
    [...groupsOf(namespace, query.reuse).values()].map((rows) => portHolder(namespace, rows, query)),
  );
  return holders.sort((one, other) => rank(one) - rank(other) || other.rows.length - one.rows.length);
}

function groupsOf({ table }: NamespaceSnapshot, reuse: ReuseOptionsByCookie): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (let row = 0; row < table.count; row++) {
    const options = reuse.size === 0 ? undefined : reuse.get(table.cookie(row));
    const key = [
      table.state(row),
      table.kind(row),
      table.family(row),
      table.localAddress(row),
      table.uid(row),
      table.interfaceIndex(row),
      options?.v6only ?? table.v6only(row),
      options?.reuseaddr,
      options?.reuseport,
    ].join();
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}

function portHolder(namespace: NamespaceSnapshot, rows: readonly Row[], query: HolderQuery): PortHolder {
  const { table } = namespace;
  const [row] = rows;
  const options = query.reuse.get(table.cookie(row));
  const refs = refsOf(namespace, rows);
  const forecasts = sampled(refs).map((sample) => query.forecast({ namespace, row: sample }));
  const { forecast } = query;
  return {
    namespace,
    isHere: query.isHere(namespace),
    rows,
    state: table.state(row),
    kind: table.kind(row),
    family: table.family(row),
    localAddress: table.localAddress(row),
    uid: table.uid(row),
    interfaceIndex: table.interfaceIndex(row),
    v6only: table.family(row) === 6 ? (options?.v6only ?? table.v6only(row)) : undefined,
    reuseaddr: options?.reuseaddr,
    reuseport: options?.reuseport,
    holder: gatherOwners(query.snapshot, namespace, rows),
    forecast: groupForecast(refs, { forecast }),
    last: lastToGo(forecasts),
  };
}

function gatherOwners(snapshot: Snapshot, namespace: NamespaceSnapshot, rows: readonly Row[]): Holder {
  const held: HeldBy[] = [];
  const step = Math.max(1, rows.length / OWNERS_SAMPLE);
  for (let at = 0; at < rows.length; at += step) held.push(heldBy(snapshot, namespace, rows[Math.floor(at)]));
  return holderOf(held[0].key, held[0].unheldLabel, held);
}

function rank({ isHere, state }: PortHolder): number {
  const elsewhere = isHere ? 0 : 100;
  if (state === TcpState.LISTEN) return elsewhere;
  if (state === TcpState.BOUND_INACTIVE) return elsewhere + 1;
  return elsewhere + 2 + state;
}
