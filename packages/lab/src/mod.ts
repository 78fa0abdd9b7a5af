export { Actor, ActorError } from './actor-process.ts';
export { type Bulk, type BulkPlan, buildBulk, LARGE } from './bulk.ts';
export { clientSide, connections, finish } from './connection.ts';
export { LabError, UnsupportedScenario } from './error.ts';
export { ip, Lab, type LabOptions, type LabSettings } from './lab.ts';
export { type LabPrivilege, labPrivilege } from './privilege.ts';
export type { Endpoint, ProcSocket, RunResult, SocketOptionName, SocketOptionValues } from './protocol.ts';
export { SCENARIOS, scenarioNamed } from './registry.ts';
export { type RunOptions, runScenario } from './run.ts';
export type {
  AddressPair,
  Expectation,
  ForecastTrial,
  Scenario,
  ScenarioOptions,
  Stage,
} from './scenario.ts';
export { bridged } from './topology/bridged.ts';
export { loopback } from './topology/loopback.ts';
export { pair } from './topology/pair.ts';
export { routed } from './topology/routed.ts';
export type { Direction, World } from './topology/world.ts';
