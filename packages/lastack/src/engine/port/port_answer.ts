import {
  BIND_SETS,
  type BindAddress,
  type BindPrediction,
  type BindSet,
  explainBind,
  type Forecast,
  freeWhen,
  OPTIONS_OF,
  type PortFacts,
  type PortHolder,
  portAdvice,
  portFacts,
  predictBind,
  type RemedyAdvice,
} from '@lastack/core';
import { CapabilityBit, effectiveCapabilities, hasCapability, readReservedPorts, readSettings } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { withUsefulAdvice } from '../advice.ts';
import type { Scope } from '../namespaces.ts';
import { closeNamespaces, type Observation } from '../observation.ts';
import { addressesToTry, otherAddress, type TriedAddress, together, tryAddresses, WILDCARDS } from './bind_trials.ts';
import { observePort, ownNamespace, readHolders } from './observe_port.ts';

export interface PortQuestion {
  port: number;
  scope: Scope;
  /** Asked about this address alone; undefined: about the wildcards, as servers bind them. */
  address: BindAddress | undefined;
  /** As it was written, for commands. */
  addressText: string | undefined;
}

/** What the kernel answered at one address, and why. */
export interface ExplainedAddress extends TriedAddress {
  because: Record<BindSet, string>;
  /** What was foretold from the sockets that are visible: only to explain, never printed as the answer. */
  predictions: Record<BindSet, BindPrediction<PortHolder>>;
}

export interface PortAnswer {
  observation: Observation;
  question: PortQuestion;
  holders: readonly PortHolder[];
  tried: readonly ExplainedAddress[];
  /** For the address asked about, or for both wildcards together. */
  bind: Readonly<Record<BindSet, string>>;
  /** A plain bind at another local address, and which. */
  other: { address: BindAddress; result: string } | undefined;
  /** When a plain bind would succeed; undefined when it does now, or when something else than a socket forbids it. */
  until: Forecast | undefined;
  /** Holders here that refuse a plain bind. */
  blockers: readonly PortHolder[];
  facts: PortFacts;
  remedies: readonly RemedyAdvice[];
}

/** Who has the port, what a bind says now, and until when. Rejects with KernelError where sockets cannot be read. */
export async function answerPort(effects: Effects, question: PortQuestion): Promise<PortAnswer> {
  const { port, scope, address } = question;
  const observation = await observePort(effects, scope, port);
  try {
    // At once, so that what was seen is what refuses.
    const other = otherAddress(heldAddresses(observation));
    const tried = tryAddresses(effects, port, addressesToTry(address, other));
    const holders = await readHolders(effects, observation, port);
    const notes = withUsefulAdvice(effects, observation.notes);
    return compose(effects, { ...observation, notes }, question, holders, tried, other);
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

function heldAddresses(observation: Observation): Set<string> {
  const table = ownNamespace(observation)?.table;
  return new Set(Array.from({ length: table?.count ?? 0 }, (_, row) => (table ? table.localAddress(row) : '')));
}

function compose(
  effects: Effects,
  observation: Observation,
  question: PortQuestion,
  holders: readonly PortHolder[],
  tried: readonly TriedAddress[],
  otherAt: BindAddress | undefined,
): PortAnswer {
  const { port, address } = question;
  const settings = ownNamespace(observation)?.settings ?? readSettings(effects);
  const facts = portFacts(port, settings, readReservedPorts(effects));
  const here = holders.filter(({ isHere }) => isHere);
  const explained = tried.map((each) => explain(effects, question, here, each, facts));
  const asked = explained.filter(({ at }) => (address ? at === address : WILDCARDS.includes(at)));
  const bind = eachSet((set) => together(asked.map(({ results }) => results[set])));
  const blockers = [...new Set(asked.flatMap((each) => plainBlockers(each)))];
  const until = bind.plain === 'EADDRINUSE' ? (freeWhen(blockers) ?? NOBODY_SEEN) : undefined;
  const other = explained.find(({ at }) => at === otherAt);
  const namespace = ownNamespace(observation);
  return {
    observation,
    question,
    holders,
    tried: explained,
    bind,
    other: other && { address: other.at, result: other.results.plain },
    until,
    blockers: bind.plain === 'EADDRINUSE' ? blockers : [],
    facts,
    remedies: namespace ? portAdvice({ ...question, namespace, blockers, bind, until, facts }) : [],
  };
}

const NOBODY_SEEN: Forecast = { kind: 'unknown', because: 'the socket that has the port is not visible' };

function plainBlockers({ predictions: { plain } }: ExplainedAddress): PortHolder[] {
  return [...plain.blockers, ...plain.doubtful];
}

function eachSet<T>(make: (set: BindSet) => T): Record<BindSet, T> {
  return Object.fromEntries(BIND_SETS.map((set) => [set, make(set)])) as Record<BindSet, T>;
}

function explain(
  effects: Effects,
  { port }: PortQuestion,
  here: readonly PortHolder[],
  tried: TriedAddress,
  { unprivilegedFrom }: PortFacts,
): ExplainedAddress {
  const { uid } = effects;
  const mayBindLow = hasCapability(effectiveCapabilities(effects.procRoot), CapabilityBit.NET_BIND_SERVICE);
  const predictions = eachSet((set) =>
    predictBind({ at: tried.at, options: OPTIONS_OF[set], port, uid, mayBindLow, unprivilegedFrom }, here),
  );
  const because = eachSet((set) =>
    explainBind({ set, result: tried.results[set], prediction: predictions[set], port, uid, unprivilegedFrom }),
  );
  return { ...tried, predictions, because };
}
