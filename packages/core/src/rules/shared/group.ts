import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { type HeldBy, type Holder, HolderGathering, heldBy, ownersKey } from './holder.ts';
import { listenerIndex } from './listeners.ts';
import { type Service, servicesOf } from './service.ts';
import { CLIENT_SERVICES } from './thresholds.ts';
import { thousands } from './words.ts';

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

const NOBODY = { key: '', unheldLabel: 'no process', owners: [] };

/** Sockets that differ in nothing but their service. */
interface Family {
  holderKey: string;
  unheldLabel: string;
  state: number;
  variant: string;
  rows: Row[];
  /** By index of the rows. Services are shared objects, so that no text is compared. */
  services: Service[];
  owners: HeldBy['owners'][];
}

/** Ten thousand leaks of one program are one group. Order: as first met, what has the same holder together. */
export function groupRows(
  namespace: NamespaceSnapshot,
  rows: readonly Row[],
  context: RuleContext,
  options: GroupOptions = {},
): Group[] {
  const { table } = namespace;
  const serviceOf = servicesOf(namespace, context.memo(namespace, listenerIndex));
  const families = new Map<string, Family>();
  // Neighbours mostly have the same holder: then no text is put together and searched for.
  let family: Family | undefined;
  for (const row of rows) {
    const held = options.ignoreHolder ? NOBODY : heldBy(context.snapshot, namespace, options.heldThrough?.(row) ?? row);
    const variant = options.variant?.(row) ?? '';
    const state = table.state(row);
    const holderKey = options.joinCoHolders && held.owners.length > 1 ? ownersKey(held.owners.slice(0, 1)) : held.key;
    if (family?.holderKey !== holderKey || family.state !== state || family.variant !== variant) {
      const key = `${holderKey}|${state}|${variant}`;
      family = families.get(key);
      family ??= { holderKey, unheldLabel: held.unheldLabel, state, variant, rows: [], services: [], owners: [] };
      families.set(key, family);
    }
    family.rows.push(row);
    family.services.push(serviceOf(row));
    family.owners.push(held.owners);
  }
  return [...families.values()].flatMap(groupsOf);
}

function groupsOf({ holderKey, unheldLabel, state, variant, rows, services, owners }: Family): Group[] {
  const joined = joinClients(new Set(services));
  const groups = new Map<Service, { rows: Row[]; holder: HolderGathering }>();
  for (let index = 0; index < rows.length; index++) {
    const service = joined?.get(services[index]) ?? services[index];
    let group = groups.get(service);
    if (!group) {
      group = { rows: [], holder: new HolderGathering(holderKey, unheldLabel) };
      groups.set(service, group);
    }
    group.rows.push(rows[index]);
    group.holder.add(owners[index]);
  }
  return [...groups].map(([service, group]) => ({
    state,
    service,
    variant,
    rows: group.rows,
    holder: group.holder.finish(),
  }));
}

/**
 * A crawler speaks to ten thousand services: joined by remote port, and when those are many too, as one.
 * @returns what each is counted under; undefined when they are few enough to be listed
 */
function joinClients(services: ReadonlySet<Service>): ReadonlyMap<Service, Service> | undefined {
  const clients = [...services].filter(({ role }) => role === 'client');
  if (clients.length <= CLIENT_SERVICES) return undefined;
  const byPort = new Map<number, Service[]>();
  for (const client of clients) {
    const ofPort = byPort.get(client.port);
    if (ofPort) ofPort.push(client);
    else byPort.set(client.port, [client]);
  }
  const joined = new Map<Service, Service>();
  let left = 0;
  for (const [port, ofPort] of byPort) {
    const isMany = ofPort.length > CLIENT_SERVICES;
    left += isMany ? 1 : ofPort.length;
    if (!isMany) continue;
    const label = `port ${port} of ${thousands(ofPort.length)} addresses`;
    const all: Service = { role: 'client', key: `*:${port}`, label, port };
    for (const client of ofPort) joined.set(client, all);
  }
  if (left <= CLIENT_SERVICES) return joined;
  const label = `${thousands(clients.length)} remote services`;
  const all: Service = { role: 'client', key: '*', label, port: clients[0].port };
  return new Map(clients.map((client) => [client, all]));
}
