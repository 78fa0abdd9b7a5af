import { statSync } from 'node:fs';
import { type FilterAst, type FilterContext, type Note, requirements } from '@lastack/core';
import { NetlinkProtocol, openNetlink, readLinks } from '@lastack/kernel';
import { type Effects, UserError } from '../effects.ts';
import { inside } from './namespaces.ts';
import type { OpenNamespace } from './observation.ts';

/** What of a namespace the names of a filter depend on. */
type NamedNamespace = Pick<OpenNamespace, 'ref' | 'settings'>;

/** What a filter's names mean in one namespace: device indices, cgroup ids, the ephemeral ports. */
export async function filterContext(
  effects: Effects,
  open: NamedNamespace,
  filter: FilterAst,
  notes: Note[],
): Promise<FilterContext> {
  const { devices } = requirements(filter);
  const links = devices.length > 0 ? await linksOf(effects, open, notes) : new Map<string, number>();
  return {
    // Both take a look at /proc that few filters need.
    get namespaceLabel() {
      return open.ref.label;
    },
    get ephemeralPorts() {
      const { ip_local_port_range_low: low, ip_local_port_range_high: high } = open.settings;
      return low !== undefined && high !== undefined ? ([low, high] as const) : undefined;
    },
    interfaceIndexOf: (name) => links.get(name),
    cgroupIdOf: (path) => cgroupId(effects.sysRoot, path),
  };
}

/** A cgroup that does not exist is a slip of the pen more often than a wish for an empty list. @throws UserError */
export function checkCgroups(effects: Effects, filter: FilterAst): void {
  for (const path of requirements(filter).cgroups) {
    if (cgroupId(effects.sysRoot, path) === undefined) {
      throw new UserError(
        `filter: there is no cgroup '${path}' under ${effects.sysRoot}/fs/cgroup; paths look like system.slice/nginx.service`,
      );
    }
  }
}

async function linksOf(effects: Effects, open: NamedNamespace, notes: Note[]): Promise<Map<string, number>> {
  const transport = inside(effects, open.ref, notes, () => openNetlink(effects.libc(), NetlinkProtocol.ROUTE));
  if (!transport) return new Map();
  try {
    const links = await readLinks(transport);
    return new Map(links.flatMap(({ name, index }) => (name === undefined ? [] : [[name, index] as const])));
  } finally {
    transport.close();
  }
}

function cgroupId(sysRoot: string, path: string): bigint | undefined {
  try {
    return statSync(`${sysRoot}/fs/cgroup/${path}`, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}
