import { Lab } from '@lastack/lab';
import { DrainedPipe, measure } from '../lib/child.ts';
import type { BenchContext } from '../lib/context.ts';
import { median, summary, withRange } from '../lib/stats.ts';
import { table } from '../lib/table.ts';
import { CONTEST_HEAD, type Contest, contestRow, type Pair, runPair, verdict, whole } from './pairs.ts';
import { Population } from './population.ts';
import { RECEIVE_HEAD, receiveRows, receiveTimes } from './receive_loop.ts';

const PAIRS = 9;
const RECEIVE_ROUNDS = 9;
const START_ROUNDS = 15;
const START_GOAL = 1.6;
const MEMORY_RUNS = 2;
const MEMORY_GOAL_MB = 250;
const MB = 1e6;

/** Time and memory of the command against `ss`, its start against Node's own, and the dump against bare receiving. */
export async function speedBench(context: BenchContext): Promise<void> {
  const output = new DrainedPipe();
  const lab = new Lab({ actorFile: context.actorFile });
  try {
    await startBench(context, output);
    context.progress('filling a namespace …');
    const startedMs = performance.now();
    const population = await Population.build(lab);
    context.progress(`${population.count()} sockets after ${whole((performance.now() - startedMs) / 1000)} s`);
    await contestBench(context, population, output);
    await receiveBench(context, population);
    await memoryBench(context, population, output);
  } finally {
    await lab.close();
    await output.close();
  }
}

function contests(command: string): Contest[] {
  const lastack = (...args: string[]) => ({
    label: ['lastack', ...args].join(' '),
    argv: [command, ...args],
  });
  const ss = (flags: string) => ({ label: `ss ${flags}`, argv: ['ss', flags] });
  return [
    { ours: lastack('ls', '--no-owners'), theirs: ss('-tan'), goal: 0.4 },
    { ours: lastack('--own-netns'), theirs: ss('-tanpo'), goal: 0.5 },
    { ours: lastack('ls'), theirs: ss('-tanp'), goal: 0.5 },
  ];
}

async function contestBench({ command, print, progress }: BenchContext, where: Population, output: DrainedPipe) {
  const all = contests(command).map((contest) => ({ contest, pairs: [] as Pair[] }));
  for (let round = 1; round <= PAIRS; round++) {
    progress(`pairs, round ${round} of ${PAIRS}`);
    for (const { contest, pairs } of all) {
      await where.refill();
      pairs.push(await runPair(contest, where, output));
    }
  }
  const rows = all.map(({ contest, pairs }) => contestRow(contest, pairs));
  print(`Side by side, ${PAIRS} pairs: median (least–greatest)\n\n${table(CONTEST_HEAD, rows)}\n`);
}

async function receiveBench({ print, progress }: BenchContext, where: Population): Promise<void> {
  progress('receive loop');
  await where.refill();
  const times = await receiveTimes(where.observeIn, RECEIVE_ROUNDS);
  print(`Receiving, ${RECEIVE_ROUNDS} rounds in turn\n\n${table(RECEIVE_HEAD, receiveRows(times))}\n`);
}

async function memoryBench({ command, print, progress }: BenchContext, where: Population, output: DrainedPipe) {
  progress('memory');
  const rows: string[][] = [];
  for (const { ours, theirs } of contests(command)) {
    for (const { label, argv } of [ours, theirs]) {
      await where.refill();
      const count = where.count();
      const peaks: number[] = [];
      for (let run = 0; run < MEMORY_RUNS; run++) {
        const { peakBytes = Number.NaN } = await measure(where.observeIn.enter(argv), output, true);
        peaks.push(peakBytes / MB);
      }
      const peak = Math.max(...peaks);
      const goal = label.startsWith('lastack') ? [`< ${MEMORY_GOAL_MB}`, verdict(peak < MEMORY_GOAL_MB)] : ['', ''];
      rows.push([label, peak.toFixed(0), ...goal, whole(count / 1000)]);
    }
  }
  const head = ['command', 'peak resident memory, MB', 'goal', '', 'sockets, thousands'];
  print(`Memory, the greater of ${MEMORY_RUNS} runs\n\n${table(head, rows)}\n`);
}

/** Certificates that every Node reads at its start where this is set, unless it is lastack's. */
const CERTIFICATES = 'NODE_EXTRA_CA_CERTS';

async function startBench({ command, actorFile, print, progress }: BenchContext, output: DrainedPipe): Promise<void> {
  progress('start-up');
  const lab = new Lab({ actorFile });
  const rows: string[][] = [];
  try {
    const empty = await lab.namespace('lab-empty');
    const environments = process.env[CERTIFICATES] === undefined ? [[]] : [[], ['env', '-u', CERTIFICATES]];
    for (const prefix of environments) {
      const ours = empty.enter([...prefix, command, 'ls']);
      const bare = empty.enter([...prefix, process.execPath, '-e', '0']);
      rows.push(await startRow(ours, bare, output, prefix.length > 0 ? ` without ${CERTIFICATES}` : ''));
    }
  } finally {
    await lab.close();
  }
  const head = ['ours', 'ms', 'against', 'ms', 'ratio', 'goal', ''];
  print(`Start in an empty namespace, ${START_ROUNDS} pairs\n\n${table(head, rows)}\n`);
}

async function startRow(
  ours: readonly string[],
  bare: readonly string[],
  output: DrainedPipe,
  remark: string,
): Promise<string[]> {
  const oursMs: number[] = [];
  const bareMs: number[] = [];
  for (let round = 0; round < START_ROUNDS; round++) {
    oursMs.push((await measure(ours, output)).elapsedMs);
    bareMs.push((await measure(bare, output)).elapsedMs);
  }
  const ratio = median(oursMs.map((ms, round) => ms / bareMs[round]));
  const show = (value: number) => value.toFixed(1);
  const times = [
    `lastack ls${remark}`,
    withRange(summary(oursMs), show),
    'node -e 0',
    withRange(summary(bareMs), show),
  ];
  return [...times, ratio.toFixed(2), `≤ ${START_GOAL.toFixed(2)}`, verdict(ratio <= START_GOAL)];
}
