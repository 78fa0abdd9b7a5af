import { SCENARIOS, type Scenario } from '@lastack/lab';
import type { BenchContext } from '../lib/context.ts';
import { limited } from '../lib/limited.ts';
import { table } from '../lib/table.ts';
import { namesNoTime, type Sample, score } from './score.ts';
import { runTrial, type TrialResult } from './trial.ts';

/** The trials wait most of their time for timers of the kernel. */
const SIDE_BY_SIDE = 9;
const INSIDE_GOAL = 0.95;
const FEWEST_LOOKS = 20;
const FAMILY = 4;

const HEAD = [
  'scenario',
  'looks',
  'samples',
  'inside',
  'goal',
  '',
  'error',
  'worst miss, ms',
  'width, ms',
  'two spans',
  'no time',
  'truth ±, ms',
] as const;

type Outcome = { scenario: Scenario; result: TrialResult } | { scenario: Scenario; failure: string };

/** The scenarios that end soon. */
export function forecastTrials(): readonly Scenario[] {
  return SCENARIOS.filter(({ forecastTrial }) => forecastTrial !== undefined);
}

/** For every scenario that ends soon: what was forecast while it lived, against when the kernel dropped it. */
export async function forecastBench({ actorFile, only, print, progress }: BenchContext): Promise<void> {
  const trials = forecastTrials().filter(({ name }) => only.length === 0 || only.includes(name));
  // The longest first, so that none is left waiting alone at the end.
  const ordered = [...trials].sort((one, other) => lifeMs(other) - lifeMs(one));
  let done = 0;
  const outcomes = await limited(SIDE_BY_SIDE, ordered, async (scenario): Promise<Outcome> => {
    try {
      return { scenario, result: await runTrial(scenario, { actorFile, family: FAMILY }) };
    } catch (error) {
      return { scenario, failure: (error as Error).message };
    } finally {
      progress(`forecast trial ${++done} of ${trials.length}: ${scenario.name}`);
    }
  });
  outcomes.sort((one, other) => trials.indexOf(one.scenario) - trials.indexOf(other.scenario));
  const rows = outcomes.flatMap((outcome) => ('result' in outcome ? [rowOf(outcome.scenario, outcome.result)] : []));
  print(`Forecasts against the kernel's clock, ${SIDE_BY_SIDE} scenarios side by side, IPv${FAMILY}\n`);
  print(`${table(HEAD, rows)}\n`);
  for (const remark of outcomes.map(remarkOn)) if (remark !== '') print(remark);
}

function lifeMs({ forecastTrial }: Scenario): number {
  return forecastTrial?.deathWithinMs ?? 0;
}

function rowOf({ name }: Scenario, { samples, looks, resolutionMs }: TrialResult): string[] {
  const result = score(samples);
  const part = result.inside / result.samples;
  return [
    name,
    String(looks),
    String(result.samples),
    `${(part * 100).toFixed(1)} %`,
    `≥ ${INSIDE_GOAL * 100} %`,
    part >= INSIDE_GOAL ? 'met' : 'MISSED',
    `${(result.medianRelativeError * 100).toFixed(1)} %`,
    result.worstMissMs.toFixed(0),
    result.medianWidthMs.toFixed(0),
    `${((result.split / result.samples) * 100).toFixed(0)} %`,
    String(result.silent),
    (resolutionMs / 2).toFixed(0),
  ];
}

function remarkOn(outcome: Outcome): string {
  const { name } = outcome.scenario;
  if ('failure' in outcome) return `${name}: not measured: ${outcome.failure}\n`;
  const { looks, survivors, deaths, samples } = outcome.result;
  const remarks = [
    ...(looks < FEWEST_LOOKS ? [`only ${looks} looks`] : []),
    ...(survivors > 0 ? [`${survivors} of ${survivors + deaths} sockets outlived the trial`] : []),
    ...wordsWithoutTime(samples),
  ];
  return remarks.length > 0 ? `${name}: ${remarks.join('; ')}\n` : '';
}

/** What the forecasts said that named no time, each once with its count. */
function wordsWithoutTime(samples: readonly Sample[]): string[] {
  const counts = new Map<string, number>();
  for (const { forecast } of samples.filter(namesNoTime)) {
    const words = `${forecast.kind} (${forecast.because})`;
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return [...counts].map(([words, count]) => `${count} samples said ${words}`);
}
