import { LabError } from './error.ts';
import type { Scenario } from './scenario.ts';
import { closeWait } from './scenarios/close-wait.ts';
import { closingBlackhole } from './scenarios/closing-blackhole.ts';
import { conntrack } from './scenarios/conntrack.ts';
import { establishedBlackhole } from './scenarios/established-blackhole.ts';
import { finWait1Blackhole } from './scenarios/fin-wait-1-blackhole.ts';
import { finWait2 } from './scenarios/fin-wait-2.ts';
import { handshake } from './scenarios/handshake.ts';
import { healthyBusy } from './scenarios/healthy-busy.ts';
import { holders } from './scenarios/holders.ts';
import { lastAckBlackhole } from './scenarios/last-ack-blackhole.ts';
import { timeWait } from './scenarios/time-wait.ts';
import { notMakeable } from './scenarios/unsupported.ts';
import { zeroWindow } from './scenarios/zero-window.ts';

/** Every scenario, in the order of a connection's closing. */
export const SCENARIOS: readonly Scenario[] = [
  ...finWait1Blackhole,
  ...zeroWindow,
  ...finWait2,
  ...closeWait,
  ...lastAckBlackhole,
  ...closingBlackhole,
  ...establishedBlackhole,
  ...handshake,
  ...timeWait,
  ...holders,
  ...conntrack,
  ...healthyBusy,
  ...notMakeable,
];

export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario) return scenario;
  const near = SCENARIOS.map((candidate) => candidate.name).filter((known) => known.includes(name));
  const hint =
    near.length > 0 ? `; did you mean ${near.slice(0, 4).join(', ')}?` : '; `lastack lab list` names them all';
  throw new LabError(`there is no scenario ${JSON.stringify(name)}${hint}`);
}
