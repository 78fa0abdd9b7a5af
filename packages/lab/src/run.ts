import { setTimeout as sleep } from 'node:timers/promises';
import { LabError, UnsupportedScenario } from './error.ts';
import { Lab, type LabOptions } from './lab.ts';
import { scenarioNamed } from './registry.ts';
import type { Scenario, ScenarioOptions, Stage } from './scenario.ts';

export interface RunOptions extends ScenarioOptions, LabOptions {
  /** Leave everything standing after the body, until `signal` is aborted: that is then the normal end. */
  keep?: boolean;
  /** Wait at most this long of what the scenario asks for, where less will do. */
  settleLimitMs?: number;
  /** Ends the scenario at any point: the lab is taken down and the signal's reason is thrown. */
  signal?: AbortSignal;
}

/**
 * Makes the scenario, waits until it shows, runs `body` and takes everything down again, also when the body throws or
 * the signal is aborted. Without the privilege for namespaces it throws LabError: see labPrivilege.
 */
export async function runScenario<T>(
  name: string,
  options: RunOptions,
  body: (stage: Stage, scenario: Scenario, lab: Lab) => Promise<T>,
): Promise<T> {
  const scenario = scenarioNamed(name);
  if (!scenario.families.includes(options.family))
    throw new UnsupportedScenario(`${name} does not exist for IPv${options.family}`);
  const lab = new Lab(options);
  const interrupted = onAbort(options.signal);
  let kept: { value: T } | undefined;
  const perform = async () => {
    const stage = await scenario.run(lab, options);
    await sleep(Math.min(stage.settleMs, options.settleLimitMs ?? Number.POSITIVE_INFINITY));
    const value = await body(stage, scenario, lab);
    // Without a signal nobody could end the waiting.
    if (!options.keep || !options.signal) return value;
    kept = { value };
    return interrupted.promise;
  };
  try {
    return await Promise.race([perform(), interrupted.promise]);
  } catch (error) {
    if (kept && options.signal?.aborted) return kept.value;
    throw error;
  } finally {
    interrupted.forget();
    await lab.close();
  }
}

interface Interruption {
  promise: Promise<never>;
  forget(): void;
}

function onAbort(signal: AbortSignal | undefined): Interruption {
  let listener: () => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    listener = () => reject(signal?.reason ?? new LabError('interrupted'));
    if (signal?.aborted) listener();
    else signal?.addEventListener('abort', listener, { once: true });
  });
  promise.catch(() => undefined);
  return { promise, forget: () => signal?.removeEventListener('abort', listener) };
}
