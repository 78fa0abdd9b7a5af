import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { type Holder, HolderGathering, heldBy, ownersKey } from './holder.ts';
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

interface Open {
  state: number;
  service: Service;
  variant: string;
  holder: HolderGathering;
  /** How many services were joined into this one. */
  services: number;
  rows: Row[];
}

/** Groups that differ in nothing but their service; services are shared objects, so that no text is compared. */
type Kin = Map<Service, Open>;

/** Ten thousand leaks of one program are one group. Order: as first met, what has the same holder together. */
export function groupRows(
  namespace: NamespaceSnapshot,
  rows: readonly Row[],
  context: RuleContext,
  options: GroupOptions = {},
): Group[] {
  const { table } = namespace;
  const serviceOf = servicesOf(namespace, context.memo(namespace, listenerIndex));
  const families = new Map<string, Kin>();
  // Neighbours mostly have the same holder: then no text is put together and searched for.
  let last = { holderKey: '', state: -1, variant: '', kin: new Map() as Kin };
  for (const row of rows) {
    const held = options.ignoreHolder ? NOBODY : heldBy(context.snapshot, namespace, options.heldThrough?.(row) ?? row);
    const service = serviceOf(row);
    const variant = options.variant?.(row) ?? '';
    const state = table.state(row);
    const holderKey = options.joinCoHolders && held.owners.length > 1 ? ownersKey(held.owners.slice(0, 1)) : held.key;
    if (last.holderKey !== holderKey || last.state !== state || last.variant !== variant) {
      const key = `${holderKey}|${state}|${variant}`;
      const kin = families.get(key) ?? (new Map() as Kin);
      families.set(key, kin);
      last = { holderKey, state, variant, kin };
    }
    const { kin } = last;
    let group = kin.get(service);
    if (!group) {
      const holder = new HolderGathering(holderKey, held.unheldLabel);
      group = { state, service, variant, holder, services: 1, rows: [] };
      kin.set(service, group);
    }
    group.rows.push(row);
    group.holder.add(held.owners);
  }
  return [...families.values()].flatMap(joinClients).map(({ holder, ...group }) => ({
    state: group.state,
    service: group.service,
    variant: group.variant,
    rows: group.rows,
    holder: holder.finish(),
  }));
}

/** A crawler speaks to ten thousand services: joined by remote port, and when those are many too, as one. */
function joinClients(kin: Kin): Open[] {
  const groups = [...kin.values()];
  const clients = groups.filter(({ service }) => service.role === 'client');
  if (clients.length <= CLIENT_SERVICES) return groups;
  const byPort = new Map<number, Open[]>();
  for (const group of clients) {
    const ofPort = byPort.get(group.service.port);
    if (ofPort) ofPort.push(group);
    else byPort.set(group.service.port, [group]);
  }
  const joined = [...byPort].flatMap(([port, ofPort]) =>
    joinMany(ofPort, (count) => ({
      role: 'client',
      key: `*:${port}`,
      label: `port ${port} of ${thousands(count)} addresses`,
      port,
    })),
  );
  return [
    ...groups.filter(({ service }) => service.role === 'server'),
    ...joinMany(joined, (count) => ({
      role: 'client',
      key: '*',
      label: `${thousands(count)} remote services`,
      port: joined[0].service.port,
    })),
  ];
}

/** One group of them all, where they are too many to list. */
function joinMany(groups: Open[], serviceFor: (count: number) => Service): Open[] {
  if (groups.length <= CLIENT_SERVICES) return groups;
  const [first, ...others] = groups;
  const rows = [...first.rows];
  for (const other of others) {
    for (const row of other.rows) rows.push(row);
    first.holder.merge(other.holder);
  }
  const services = groups.reduce((sum, group) => sum + group.services, 0);
  return [{ ...first, service: serviceFor(services), services, rows }];
}
