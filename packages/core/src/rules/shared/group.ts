import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { type Holder, HolderGathering, heldBy } from './holder.ts';
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

/** Ten thousand leaks of one program are one group. Order: as first met. */
export function groupRows(
  namespace: NamespaceSnapshot,
  rows: readonly Row[],
  context: RuleContext,
  options: GroupOptions = {},
): Group[] {
  const { table } = namespace;
  const serviceOf = servicesOf(namespace, context.memo(namespace, listenerIndex));
  const open = new Map<string, Open>();
  for (const row of rows) {
    const held = options.ignoreHolder ? NOBODY : heldBy(context.snapshot, namespace, options.heldThrough?.(row) ?? row);
    const service = serviceOf(row);
    const variant = options.variant?.(row) ?? '';
    const state = table.state(row);
    const key = `${held.key}|${service.key}|${state}|${variant}`;
    let group = open.get(key);
    if (!group) {
      const holder = new HolderGathering(held.key, held.unheldLabel);
      group = { state, service, variant, holder, services: 1, rows: [] };
      open.set(key, group);
    }
    group.rows.push(row);
    group.holder.add(held.owners);
  }
  return joinClients([...open.values()]).map(({ holder, ...group }) => ({
    state: group.state,
    service: group.service,
    variant: group.variant,
    rows: group.rows,
    holder: holder.finish(),
  }));
}

/** A crawler speaks to ten thousand services: joined by remote port, and when those are many too, as one. */
function joinClients(groups: readonly Open[]): Open[] {
  const byPort = join(
    groups,
    ({ service }) => `${service.port}`,
    (count, { service }) => ({
      role: 'client',
      key: `*:${service.port}`,
      label: `port ${service.port} of ${thousands(count)} addresses`,
      port: service.port,
    }),
  );
  return join(
    byPort,
    () => '',
    (count, { service }) => ({
      role: 'client',
      key: '*',
      label: `${thousands(count)} remote services`,
      port: service.port,
    }),
  );
}

/** Joins the client groups of one holder, state and variant that `by` calls equal, where they are too many to list. */
function join(
  groups: readonly Open[],
  by: (group: Open) => string,
  serviceFor: (count: number, first: Open) => Service,
): Open[] {
  const families = new Map<string, Open[]>();
  for (const group of groups) {
    const { service, state, variant, holder } = group;
    const key =
      service.role === 'server'
        ? `s|${holder.key}|${service.key}|${state}|${variant}`
        : `c|${holder.key}|${by(group)}|${state}|${variant}`;
    const family = families.get(key);
    if (family) family.push(group);
    else families.set(key, [group]);
  }
  return [...families.values()].flatMap((family) => {
    if (family.length <= CLIENT_SERVICES) return family;
    const [first, ...others] = family;
    const rows = [...first.rows];
    for (const other of others) {
      for (const row of other.rows) rows.push(row);
      first.holder.merge(other.holder);
    }
    const services = family.reduce((sum, group) => sum + group.services, 0);
    return [{ ...first, service: serviceFor(services, first), services, rows }];
  });
}
