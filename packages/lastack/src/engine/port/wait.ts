import {
  type BindAddress,
  explainBind,
  type Forecast,
  freeWhen,
  holderText,
  nextTrialMs,
  OPTIONS_OF,
  type PortHolder,
  predictBind,
} from '@lastack/core';
import { KernelError } from '@lastack/kernel';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { closeNamespaces } from '../observation.ts';
import { tryPlain, WILDCARDS } from './bind_trials.ts';
import { observePort, readHolders } from './observe_port.ts';
import type { PortQuestion } from './port_answer.ts';

/** What stands in the way now, and until when. */
export interface Obstacle {
  /** `ok` never; the name of the errno. */
  result: string;
  blockers: readonly PortHolder[];
  until: Forecast | undefined;
  /** In words: the sockets, or why bind fails. */
  text: string;
}

export interface WaitResult {
  isFree: boolean;
  waitedMs: number;
  /** The last one seen; undefined when the port was free at once. */
  obstacle: Obstacle | undefined;
}

/** The sockets are looked at again this often: another may have taken the place of the one waited for. */
const LOOK_EVERY_MS = 5_000;

/** Errors that no socket causes and no waiting mends. */
const HOPELESS: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EINVAL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT']);

/**
 * Returns when a plain bind would succeed, or after `timeoutMs`. `announce` is told each time what is waited for, when
 * that is new. @throws UserError when waiting cannot help
 */
export async function waitForPort(
  effects: Effects,
  question: PortQuestion,
  timeoutMs: number,
  announce: (obstacle: Obstacle) => void,
): Promise<WaitResult> {
  const addresses = question.address ? [question.address] : WILDCARDS;
  const startedMs = effects.monotonicMs();
  const waited = () => effects.monotonicMs() - startedMs;
  let obstacle: Obstacle | undefined;
  let lookedMs = 0;
  for (;;) {
    const result = tryPlain(effects, question.port, addresses);
    if (result === 'ok') return { isFree: true, waitedMs: waited(), obstacle };
    if (HOPELESS.has(result)) throw hopeless(effects, question, result);
    if (obstacle === undefined || waited() - lookedMs >= LOOK_EVERY_MS || obstacle.result !== result) {
      const before = obstacle?.text;
      lookedMs = waited();
      obstacle = await look(effects, question, addresses, result);
      if (obstacle.text !== before) announce(obstacle);
    }
    const leftMs = timeoutMs - waited();
    if (leftMs <= 0) return { isFree: false, waitedMs: waited(), obstacle };
    await effects.sleep(Math.min(leftMs, nextTrialMs(obstacle.until, waited() - lookedMs)));
  }
}

function hopeless(effects: Effects, { port }: PortQuestion, result: string): UserError {
  const why = explainBind({ set: 'plain', result, port, uid: effects.uid, prediction: NO_PREDICTION });
  return new UserError(`waiting for port ${port} cannot help: bind gives ${result}: ${why}`, Exit.NOT_POSSIBLE);
}

const NO_PREDICTION = { result: 'ok' as const, blockers: [], doubtful: [], sharing: [] };

/** Where the sockets cannot be read, the trials alone have to do. */
async function look(
  effects: Effects,
  { port }: PortQuestion,
  addresses: readonly BindAddress[],
  result: string,
): Promise<Obstacle> {
  const blockers = result === 'EADDRINUSE' ? await blockersOf(effects, port, addresses) : [];
  const until = freeWhen(blockers);
  const named = blockers.slice(0, 2).map(holderText).join(' and ');
  const more = blockers.length > 2 ? ` and ${blockers.length - 2} more kinds of sockets` : '';
  const text =
    blockers.length > 0
      ? named + more
      : `bind gives ${result}: ${explainBind({ set: 'plain', result, port, uid: effects.uid, prediction: NO_PREDICTION })}`;
  return { result, blockers, until, text };
}

async function blockersOf(
  effects: Effects,
  port: number,
  addresses: readonly BindAddress[],
): Promise<readonly PortHolder[]> {
  try {
    const observation = await observePort(effects, 'own', port);
    try {
      const holders = await readHolders(effects, observation, port);
      const question = { options: OPTIONS_OF.plain, port, uid: effects.uid, mayBindLow: true };
      const found = addresses.flatMap((at) => {
        const { blockers, doubtful } = predictBind({ ...question, at }, holders);
        return [...blockers, ...doubtful];
      });
      return [...new Set(found)];
    } finally {
      closeNamespaces(observation.namespaces);
    }
  } catch (error) {
    if (error instanceof KernelError || error instanceof UserError) return [];
    throw error;
  }
}
