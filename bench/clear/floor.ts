import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  DestroyLanes,
  DiagTable,
  dumpSockets,
  loadLibc,
  NetlinkProtocol,
  openNetlink,
  RequestPacker,
} from '@lastack/kernel';
import { type BulkPlan, buildBulk, Lab } from '@lastack/lab';
import { inNamespaceOf } from '../lib/blocking_netlink.ts';
import { type DrainedPipe, measure } from '../lib/child.ts';
import { median } from '../lib/stats.ts';

const TIME_WAIT_STATE = 1 << 6;
/** Without the certificates that some machines have every Node read. */
const BARE_NODE = ['env', '-u', 'NODE_EXTRA_CA_CERTS', process.execPath, '-e', '0'];

/** What clearing cannot do without, milliseconds: medians. */
export interface Floor {
  /** A Node that does nothing. */
  startMs: number;
  /** The list, and its end, in a process that is warm: nearly all of it is the kernel's time. */
  endMs: number;
}

/** Lists and ends a set of TIME_WAIT sockets in this process, and starts a Node that does nothing. */
export async function clearFloor(
  plan: BulkPlan,
  rounds: number,
  actorFile: string,
  output: DrainedPipe,
): Promise<Floor> {
  const [starts, ends]: number[][] = [[], []];
  const libc = loadLibc();
  const program = new WebAssembly.Module(readFileSync(path.join(path.dirname(actorFile), 'pack_rows.wasm')));
  for (let round = 0; round < rounds; round++) {
    const lab = new Lab({ actorFile });
    try {
      const { observeIn } = await buildBulk(lab, plan);
      const open = () => inNamespaceOf(observeIn, libc, () => openNetlink(libc, NetlinkProtocol.SOCK_DIAG));
      const [listing, ending] = [open(), open()];
      starts.push((await measure(BARE_NODE, output)).elapsedMs);
      const startedMs = performance.now();
      const lanes = new DestroyLanes(ending, { expected: plan.timeWait });
      const rest = new DiagTable();
      const bulk = RequestPacker.into(lanes, program);
      await dumpSockets(
        listing,
        { states: TIME_WAIT_STATE, bulk },
        (words, view, at, end) => rest.append(words, view, at, end),
        () => lanes.advance(),
      );
      lanes.addRows(rest);
      await lanes.finish();
      ends.push(performance.now() - startedMs);
      for (const transport of [listing, ending]) transport.close();
    } finally {
      await lab.close();
    }
  }
  return { startMs: median(starts), endMs: median(ends) };
}
