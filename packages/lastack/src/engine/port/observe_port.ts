import {
  type Forecast,
  forecastInputOf,
  forecastNeedsInfo,
  forecastSocket,
  groupHolders,
  type PortHolder,
  parseFilter,
  type ReuseOptionsByCookie,
  type Row,
  type SocketRef,
  TcpState,
} from '@lastack/core';
import { compileBytecode, fetchInfo, KernelError, readReuseOptions } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import type { Scope } from '../namespaces.ts';
import { type Observation, type ObservedNamespace, observe } from '../observation.ts';
import { fetchOptions, fetchOwners } from '../second_pass.ts';

/** The kernel itself leaves out all other sockets: they may be hundreds of thousands. */
function bytecodeOf(port: number): Uint8Array {
  return compileBytecode(parseFilter(['sport', '=', `:${port}`])).bytes as Uint8Array;
}

/** First pass: every socket with this local port. Rejects with KernelError when no namespace could be read. */
export function observePort(effects: Effects, scope: Scope, port: number): Promise<Observation> {
  return observe(effects, scope, { bytecode: bytecodeOf(port) });
}

/** The namespace that the command itself runs in; undefined where its sockets could not be read. */
export function ownNamespace({ namespaces }: Observation): ObservedNamespace | undefined {
  return namespaces.find(({ enterPath }) => enterPath === undefined);
}

/** Second pass, for the sockets of one port: owners, TCP_INFO, options; then the groups. */
export async function readHolders(effects: Effects, observation: Observation, port: number): Promise<PortHolder[]> {
  const rowsOf = new Map(observation.namespaces.map((namespace) => [namespace, allRows(namespace)]));
  for (const [namespace, rows] of rowsOf) await fetchInfoFor(observation, namespace, rows, bytecodeOf(port));
  fetchOwners(effects, observation, rowsOf);
  fetchOptions(effects, observation, rowsOf);
  return groupHolders({
    snapshot: observation,
    isHere: ({ enterPath }) => enterPath === undefined,
    reuse: readReuse(effects, observation),
    forecast: ({ namespace, row }: SocketRef): Forecast => forecastSocket(forecastInputOf(observation, namespace, row)),
  });
}

function allRows({ table }: ObservedNamespace): Row[] {
  return Array.from({ length: table.count }, (_, row) => row);
}

async function fetchInfoFor(
  observation: Observation,
  { table, diag, label }: ObservedNamespace,
  all: readonly Row[],
  bytecode: Uint8Array,
): Promise<void> {
  const rows = all.filter((row) => forecastNeedsInfo(table.state(row), table.kind(row), table.timer(row)));
  if (rows.length === 0) return;
  try {
    const incomplete = await fetchInfo(diag, table, rows, bytecode);
    if (incomplete) observation.notes.push({ what: `TCP_INFO in ${label}`, because: incomplete, incomplete: false });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    observation.notes.push({ what: `TCP_INFO in ${label} not read`, because: error.message, incomplete: false });
  }
}

/** For more sockets than this only those that listen or are bound are asked: they decide for the others. */
const MANY_SOCKETS = 256;

/** Only of this namespace: elsewhere nothing stands in the way of a bind here. */
function readReuse(effects: Effects, observation: Observation): ReuseOptionsByCookie {
  const read = new Map<bigint, NonNullable<ReturnType<typeof readReuseOptions>>>();
  const own = ownNamespace(observation);
  if (!own) return read;
  const { table } = own;
  for (const row of allRows(own)) {
    const state = table.state(row);
    const decides = state === TcpState.LISTEN || state === TcpState.BOUND_INACTIVE;
    if (!decides && table.count > MANY_SOCKETS) continue;
    const [owner] = observation.owners.get(table.inode(row)) ?? [];
    if (!owner || read.size > MANY_SOCKETS) continue;
    try {
      const options = readReuseOptions(effects.libc(), owner.pid, owner.fd, table.cookie(row));
      if (options) read.set(table.cookie(row), options);
    } catch (error) {
      // Not permitted, or gone meanwhile: the trial tells what these options would only explain.
      if (!(error instanceof KernelError)) throw error;
    }
  }
  return read;
}
