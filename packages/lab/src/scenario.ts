import type { Blame, Forecast } from '@lastack/core';
import type { Actor } from './actor-process.ts';
import type { Lab, LabSettings } from './lab.ts';
import type { Endpoint } from './protocol.ts';

export interface AddressPair {
  local: Endpoint;
  remote: Endpoint;
}

/** A stuck state as it stands, ready to be looked at. */
export interface Stage {
  /** The doctor is to be run in this actor's namespace. */
  observeIn: Actor;
  /** `all`: the point of the scenario is in more than one namespace (`--all-netns`). */
  scope: 'namespace' | 'all';
  /** The sockets meant, as seen from observeIn. A listener has no remote end: address `''`, port 0. */
  sockets: AddressPair[];
  /** Wait this long after the stage was handed out: only then must the finding show. */
  settleMs: number;
  /** Ends the fault, so that the sockets can finish by themselves. */
  unfreeze?(): Promise<void>;
}

/** What the doctor has to say. `rule` undefined: it must find nothing. */
export interface Expectation {
  rule: string | undefined;
  /** Any of these is right: where the evidence cannot tell, saying so is right. */
  blame: readonly Blame[];
  /** The state of `stage.sockets`; undefined where the finding is about counts. */
  state: string | undefined;
  forecastKind: Forecast['kind'] | undefined;
}

/** A variant that dies soon, for timing forecasts against the clock. */
export interface ForecastTrial {
  settings: LabSettings;
  /** All `stage.sockets` are gone this long after the stage was handed out. */
  deathWithinMs: number;
}

export interface ScenarioOptions {
  family: 4 | 6;
  /** Connections to make, where the scenario is about alike connections; its own default otherwise. */
  count?: number;
}

export interface Scenario {
  name: string;
  title: string;
  expects: Expectation;
  /** Rules whose findings on the same sockets are right as well. */
  alongside?: readonly string[];
  families: readonly (4 | 6)[];
  /** Why it cannot be made in a throw-away namespace, and how it is shown instead. `run` then throws the same. */
  unsupported?: string;
  forecastTrial?: ForecastTrial;
  run(lab: Lab, options: ScenarioOptions): Promise<Stage>;
}

export const BOTH_FAMILIES = [4, 6] as const;
