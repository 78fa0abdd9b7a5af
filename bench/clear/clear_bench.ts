import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Actor, type BulkPlan, buildBulk, Lab } from '@lastack/lab';
import { DrainedPipe, measure } from '../lib/child.ts';
import type { BenchContext } from '../lib/context.ts';
import { summary, withRange } from '../lib/stats.ts';
import { table } from '../lib/table.ts';
import { verdict, whole } from '../speed/pairs.ts';
import { clearFloor, type Floor } from './floor.ts';

const ROUNDS = 5;

/** Clearing the same set, made anew for each run. */
interface Contest {
  what: string;
  plan: BulkPlan;
  ours: readonly string[];
  theirs: readonly string[];
  /** How many times as fast, at least; undefined: no goal. */
  goal?: number;
  left(actor: Actor): number;
}

const CONTESTS: readonly Contest[] = [
  {
    what: '200,000 TIME_WAIT',
    plan: { timeWait: 200_000, halfClosed: 4, actors: 4 },
    ours: ['clear', 'state', 'time-wait', '--yes', '--max', '1000000'],
    theirs: ['ss', '-tnK', 'state', 'time-wait'],
    goal: 6,
    left: (actor) => sockstat(actor).tw,
  },
  {
    what: '10,000 CLOSE_WAIT',
    plan: { timeWait: 0, halfClosed: 10_000, actors: 2 },
    ours: ['clear', 'state', 'close-wait', '--method', 'destroy', '--yes', '--max', '1000000'],
    theirs: ['ss', '-tnK', 'state', 'close-wait'],
    // Each pair's other end, FIN_WAIT2, is reset along with it.
    left: (actor) => sockstat(actor).inuse,
  },
];

/** `lastack clear` against `ss -K`: time until the command returns, and how many sockets are left then. */
export async function clearBench({ command, actorFile, print, progress }: BenchContext): Promise<void> {
  const output = new DrainedPipe();
  // A run asks the kernel again afterwards and writes a journal, which ss does not: both are in its time.
  const state = mkdtempSync(path.join(tmpdir(), 'lastack-bench-'));
  process.env.XDG_STATE_HOME = state;
  const rows: string[][] = [];
  let floor: Floor | undefined;
  try {
    for (const contest of CONTESTS) {
      const times = { ours: [] as number[], theirs: [] as number[] };
      const left = { ours: 0, theirs: 0 };
      for (let round = 1; round <= ROUNDS; round++) {
        for (const side of ['ours', 'theirs'] as const) {
          progress(`${contest.what}, round ${round} of ${ROUNDS}, ${side}`);
          const argv = side === 'ours' ? [command, ...contest.ours] : contest.theirs;
          const run = await oneRun(contest, argv, actorFile, output);
          times[side].push(run.elapsedMs);
          left[side] = Math.max(left[side], run.left);
        }
      }
      rows.push(rowOf(contest, times, left));
    }
    progress('what clearing cannot do without');
    floor = await clearFloor(CONTESTS[0].plan, ROUNDS, actorFile, output);
  } finally {
    rmSync(state, { recursive: true, force: true });
    await output.close();
  }
  const head = ['cleared', 'lastack clear, ms', 'ss -K, ms', 'times as fast', 'goal', '', 'left by us', 'left by ss'];
  print(`Clearing, ${ROUNDS} rounds: median (least–greatest)\n\n${table(head, rows)}\n`);
  const { startMs, endMs } = floor;
  print(
    `${CONTESTS[0].what} cost at least: a start of Node ${whole(startMs)} ms, listing and ending them at the same time ` +
      `${whole(endMs)} ms (in a warm process); together ${whole(startMs + endMs)} ms\n`,
  );
}

async function oneRun({ plan, left }: Contest, argv: readonly string[], actorFile: string, output: DrainedPipe) {
  const lab = new Lab({ actorFile });
  try {
    const { observeIn } = await buildBulk(lab, plan);
    const { elapsedMs } = await measure(observeIn.enter(argv), output);
    return { elapsedMs, left: left(observeIn) };
  } finally {
    await lab.close();
  }
}

function rowOf(
  { what, goal }: Contest,
  times: { ours: number[]; theirs: number[] },
  left: { ours: number; theirs: number },
): string[] {
  const [ours, theirs] = [summary(times.ours), summary(times.theirs)];
  const factor = theirs.median / ours.median;
  return [
    what,
    withRange(ours, whole),
    withRange(theirs, whole),
    factor.toFixed(1),
    goal === undefined ? '' : `≥ ${goal}`,
    goal === undefined ? '' : verdict(factor >= goal),
    String(left.ours),
    String(left.theirs),
  ];
}

function sockstat({ pid }: Actor): { inuse: number; tw: number } {
  const text = readFileSync(`/proc/${pid}/net/sockstat`, 'latin1');
  const [, inuse, tw] = /^TCP: inuse (\d+) .*\btw (\d+)/m.exec(text) ?? [];
  return { inuse: Number(inuse), tw: Number(tw) };
}
