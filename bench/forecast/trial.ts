import { setTimeout as sleep } from 'node:timers/promises';
import { loadLibc } from '@lastack/kernel';
import { runScenario, type Scenario, type Stage } from '@lastack/lab';
import { DeathWatch } from './death_watch.ts';
import { Observer, type Sighting } from './observer.ts';
import type { Sample } from './score.ts';

const SOCKETS = 6;
/** The kernel is asked this often whether a socket is still there. */
const WATCH_EVERY_MS = 20;
/** Looks that would fit into the longest life the scenario may have; most die well before half of that. */
const LOOKS_PER_LIFE = 250;
const SHORTEST_PAUSE_MS = 60;

export interface TrialOptions {
  actorFile: string;
  family: 4 | 6;
  signal?: AbortSignal;
}

export interface TrialResult {
  samples: Sample[];
  /** Sockets whose death was seen. */
  deaths: number;
  /** Sockets that still lived when the scenario says that they must be gone. */
  survivors: number;
  /** Times at which forecasts were made. */
  looks: number;
  /** Greatest gap between the last look that found a socket and the first that did not. */
  resolutionMs: number;
}

/** Makes the scenario with the settings of its trial and forecasts again and again until its sockets are gone. */
export async function runTrial(scenario: Scenario, options: TrialOptions): Promise<TrialResult> {
  const trial = scenario.forecastTrial;
  if (!trial) throw new Error(`${scenario.name} has no trial`);
  const run = { ...options, settings: trial.settings, count: SOCKETS, settleLimitMs: 0 };
  return runScenario(scenario.name, run, (stage) => observeToDeath(stage, trial.deathWithinMs));
}

async function observeToDeath(stage: Stage, deathWithinMs: number): Promise<TrialResult> {
  const libc = loadLibc();
  const observer = new Observer(libc, stage.observeIn);
  const watch = new DeathWatch(libc, stage.observeIn);
  const watching = setInterval(() => watch.look(), WATCH_EVERY_MS);
  try {
    const sightings: Sighting[] = [];
    const looks = await forecastUntilGone(stage, deathWithinMs, observer, watch, sightings);
    return resultOf(sightings, watch, looks);
  } finally {
    clearInterval(watching);
    watch.close();
    observer.close();
  }
}

async function forecastUntilGone(
  stage: Stage,
  deathWithinMs: number,
  observer: Observer,
  watch: DeathWatch,
  sightings: Sighting[],
): Promise<number> {
  const pauseMs = Math.max(SHORTEST_PAUSE_MS, deathWithinMs / LOOKS_PER_LIFE);
  const untilMs = performance.now() + deathWithinMs;
  let looks = 0;
  for (;;) {
    const seen = await observer.look(stage.sockets);
    // A socket that died while it was looked at has no forecast to be judged: TCP_INFO came too late for it.
    watch.look();
    for (const sighting of seen) {
      if (looks === 0) watch.add(sighting.key, sighting.family, sighting.socketId);
      if (watch.isAlive(sighting.key)) sightings.push(sighting);
    }
    looks++;
    if (watch.aliveCount === 0 || performance.now() > untilMs) return looks;
    await sleep(pauseMs);
  }
}

function resultOf(sightings: readonly Sighting[], watch: DeathWatch, looks: number): TrialResult {
  const samples: Sample[] = [];
  for (const { key, atMs, forecast } of sightings) {
    const death = watch.deaths.get(key);
    if (death) samples.push({ forecast, fromMs: death.lastSeenMs - atMs, toMs: death.goneMs - atMs });
  }
  const gaps = [...watch.deaths.values()].map(({ lastSeenMs, goneMs }) => goneMs - lastSeenMs);
  return {
    samples,
    deaths: watch.deaths.size,
    survivors: watch.aliveCount,
    looks,
    resolutionMs: Math.max(0, ...gaps),
  };
}
