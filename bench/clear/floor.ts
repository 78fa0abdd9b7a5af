import { DiagTable, destroyRows, dumpSockets, loadLibc, NetlinkProtocol, openNetlink } from '@lastack/kernel';
import { type BulkPlan, buildBulk, Lab } from '@lastack/lab';
import { inNamespaceOf } from '../lib/blocking_netlink.ts';
import { type DrainedPipe, measure } from '../lib/child.ts';
import { median } from '../lib/stats.ts';

const TIME_WAIT_STATE = 1 << 6;

/** What clearing cannot do without, milliseconds: medians. */
export interface Floor {
  /** A Node that does nothing. */
  startMs: number;
  /** The list, and its end, in a process that is warm: nearly all of it is the kernel's time. */
  dumpMs: number;
  destroyMs: number;
}

/** Lists and ends a set of TIME_WAIT sockets in this process, and starts a Node that does nothing. */
export async function clearFloor(
  plan: BulkPlan,
  rounds: number,
  actorFile: string,
  output: DrainedPipe,
): Promise<Floor> {
  const [starts, dumps, destroys]: number[][] = [[], [], []];
  const libc = loadLibc();
  for (let round = 0; round < rounds; round++) {
    const lab = new Lab({ actorFile });
    try {
      const { observeIn } = await buildBulk(lab, plan);
      const transport = inNamespaceOf(observeIn, libc, () => openNetlink(libc, NetlinkProtocol.SOCK_DIAG));
      starts.push((await measure([process.execPath, '-e', '0'], output)).elapsedMs);
      const table = new DiagTable(plan.timeWait * 2);
      const startedMs = performance.now();
      await dumpSockets(transport, { states: TIME_WAIT_STATE }, (words, view, at, end) =>
        table.append(words, view, at, end),
      );
      const betweenMs = performance.now();
      await destroyRows(transport, table);
      dumps.push(betweenMs - startedMs);
      destroys.push(performance.now() - betweenMs);
      transport.close();
    } finally {
      await lab.close();
    }
  }
  return { startMs: median(starts), dumpMs: median(dumps), destroyMs: median(destroys) };
}
