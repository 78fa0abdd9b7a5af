/**
 * `unprivileged-runner LOCAL_PORT PID FD`: applies each means to the first socket of its namespace with that local port,
 * as if PID held it at FD, and prints what came of it as JSON.
 */
import { type Abilities, type ClearTarget, TcpState, targetOf } from '@lastack/core';
import { DiagTable, dumpSockets, loadLibc, NetlinkProtocol, openNetlink } from '@lastack/kernel';
import type { Effects } from '../../src/effects.ts';
import { makeAbort } from '../../src/remedies/abort/mod.ts';
import { closeGracefully } from '../../src/remedies/close-gracefully/mod.ts';
import { destroy } from '../../src/remedies/destroy/mod.ts';
import { orphanTrial } from '../../src/remedies/orphan_probe.ts';
import type { ApplyContext } from '../../src/remedies/remedy.ts';

async function main(port: number, pid: number, fd: number): Promise<void> {
  const libc = loadLibc();
  const effects = { libc: () => libc, procRoot: '/proc', pid: process.pid } as unknown as Effects;
  const diag = openNetlink(libc, NetlinkProtocol.SOCK_DIAG);
  const context = {
    effects,
    journal: { path: '', begin: () => 1, end: () => undefined },
    signal: new AbortController().signal,
    diag: () => diag,
    progress: () => undefined,
  } as unknown as ApplyContext;
  const table = new DiagTable();
  await dumpSockets(diag, { states: 1 << TcpState.ESTABLISHED }, (words, view, at, end) =>
    table.append(words, view, at, end),
  );
  const row =
    Array.from({ length: table.count }, (_, each) => each).find((each) => table.localPort(each) === port) ?? 0;
  const unseen: ClearTarget = targetOf({ inode: 1, label: 'test', table }, row, []);
  const target: ClearTarget = { ...unseen, owners: [{ pid, fd, command: 'other' }] };
  const able: Abilities = { refusals: {}, destroyBreaksOrphans: false };
  const means = { destroy, 'close-gracefully': closeGracefully, abort: makeAbort({ silent: false }) };
  const told: Record<string, unknown> = { orphanTrial: await orphanTrial(effects) };
  for (const [id, remedy] of Object.entries(means)) {
    const probe = await remedy.probe?.(effects);
    const [attempt] = await remedy.apply(context, [target]);
    told[id] = { probe, refusal: remedy.refuse(unseen, able), attempt };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

const [port = 0, pid = 0, fd = 0] = process.argv.slice(2).map(Number);
main(port, pid, fd);
