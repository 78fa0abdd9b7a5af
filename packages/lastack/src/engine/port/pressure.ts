import { type Note, type PortSpan, type Pressure, portPressure } from '@lastack/core';
import { DiagTable, dumpSockets, KernelError, readReservedPorts, readSettings } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { withUsefulAdvice } from '../advice.ts';
import { inside, type Scope } from '../namespaces.ts';
import { closeNamespaces, type OpenNamespace, openNamespaces } from '../observation.ts';

export interface NamespacePressure {
  label: string;
  /** net.ipv4.ip_local_reserved_ports; undefined where it could not be read. */
  reserved: readonly PortSpan[] | undefined;
  pressure: Pressure;
}

export interface PressureReport {
  host: string;
  kernel: string;
  /** Epoch milliseconds of the second read: forecasts count from here. */
  atMs: number;
  /** Between the two reads. */
  elapsedMs: number;
  namespaces: readonly NamespacePressure[];
  notes: readonly Note[];
}

interface Read {
  open: OpenNamespace;
  table: DiagTable;
  startedMs: number;
}

const ALL_STATES = 0x3ffe;

/** Reads every namespace twice, `intervalMs` apart. Rejects with KernelError when not one could be read. */
export async function observePressure(effects: Effects, scope: Scope, intervalMs: number): Promise<PressureReport> {
  const notes: Note[] = [];
  const opened = openNamespaces(effects, scope, notes);
  try {
    const first = await readAll(effects, opened, notes);
    const startedMs = first[0]?.startedMs ?? effects.monotonicMs();
    await effects.sleep(Math.max(0, intervalMs - (effects.monotonicMs() - startedMs)));
    const atMs = effects.now();
    const second = await readAll(
      effects,
      first.map(({ open }) => open),
      notes,
    );
    const elapsedMs = (second[0]?.startedMs ?? effects.monotonicMs()) - startedMs;
    const namespaces = second.map((read) => compare(effects, first, read, notes));
    const { hostname: host, kernelRelease: kernel } = effects;
    return { host, kernel, atMs, elapsedMs, namespaces, notes: withUsefulAdvice(effects, notes) };
  } finally {
    closeNamespaces(opened);
  }
}

async function readAll(effects: Effects, opened: readonly OpenNamespace[], notes: Note[]): Promise<Read[]> {
  const reads: Read[] = [];
  let failure: unknown;
  for (const open of opened) {
    const table = new DiagTable();
    const startedMs = effects.monotonicMs();
    try {
      const incomplete = await dumpSockets(open.diag, { states: ALL_STATES }, (words, view, at, end) =>
        table.append(words, view, at, end),
      );
      const what = `sockets of network namespace ${open.ref.label}`;
      if (incomplete) notes.push({ what, because: incomplete, incomplete: true });
      reads.push({ open, table, startedMs });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      failure = error;
      const { message: because, todo } = error;
      notes.push({ what: `sockets of network namespace ${open.ref.label} not read`, because, todo, incomplete: true });
    }
  }
  if (reads.length === 0 && failure) throw failure;
  return reads;
}

function compare(effects: Effects, first: readonly Read[], second: Read, notes: Note[]): NamespacePressure {
  const { open, table, startedMs } = second;
  const before = first.find((read) => read.open === open) as Read;
  const read = inside(effects, open.ref, notes, () => ({
    settings: readSettings(effects),
    reserved: readReservedPorts(effects),
  }));
  const settings = read?.settings ?? open.settings;
  const pressure = portPressure(
    { table: before.table, settings },
    { table, settings },
    startedMs - before.startedMs,
    read?.reserved ?? [],
  );
  return { label: open.ref.label, reserved: read?.reserved, pressure };
}
