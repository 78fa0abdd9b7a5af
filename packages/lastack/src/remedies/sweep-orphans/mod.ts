import { stateName, unsentBytes } from '@lastack/core';
import { checkSysctlWritable, KernelError } from '@lastack/kernel';
import type { ApplyContext, Attempt, Remedy } from '../remedy.ts';
import { positionsByNamespace } from '../shared/by_namespace.ts';
import { refusalOfError } from './errors.ts';
import { GOVERNED_STATES } from './reach.ts';
import { SETTING, sweepNamespace } from './sweep.ts';

/** tcp_orphan_retries = 1 in the namespace of the targets until they are gone: acts on every orphan there. */
export const sweepOrphans: Remedy = {
  id: 'sweep-orphans',
  title: 'tcp_orphan_retries = 1 in that namespace until the named orphans are gone, then the old value back',
  undo: 'none',
  async probe({ procRoot }) {
    try {
      checkSysctlWritable(procRoot, SETTING);
      return undefined;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      return refusalOfError(error);
    }
  },
  refuse({ kind, state }, { refusals }) {
    if (kind !== 'orphan') {
      const why = kind === 'full' ? 'a program holds it' : 'it is no orphan';
      return { outcome: 'unsupported', because: `${why}: tcp_orphan_retries governs orphans only` };
    }
    if (GOVERNED_STATES.has(state)) return refusals['sweep-orphans'];
    return { outcome: 'unsupported', because: `tcp_orphan_retries does not govern ${stateName(state)}` };
  },
  preview(target) {
    const others = `every other orphan of ${target.namespaceLabel} in FIN_WAIT1, CLOSING or LAST_ACK ends at its next timer as well, data not yet delivered included`;
    return { peerSees: 'nothing', lostBytes: unsentBytes(target), remains: `the end of the peer; ${others}` };
  },
  async apply(context, targets) {
    const attempts: (Attempt | undefined)[] = targets.map(() => undefined);
    const groups = positionsByNamespace(targets);
    const progress = sharedProgress(context, groups.size);
    // Side by side: each wait is for timers of its own. All are let finish before an error of one is passed on.
    const sweeps = await Promise.allSettled(
      [...groups].map(async ([inode, positions], group) => {
        const report = { ...context, progress: (done: number) => progress(group, done) };
        const named = positions.map((position) => targets[position]);
        const results = await sweepNamespace(report, inode, named);
        positions.forEach((position, at) => {
          attempts[position] = results[at];
        });
      }),
    );
    const failed = sweeps.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    return attempts;
  },
};

/** One number for all the sweeps that go on at the same time. */
function sharedProgress(context: ApplyContext, groups: number): (group: number, done: number) => void {
  const counts = new Array<number>(groups).fill(0);
  return (group, done) => {
    counts[group] = done;
    context.progress(counts.reduce((sum, count) => sum + count, 0));
  };
}
