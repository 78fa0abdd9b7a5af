import {
  FilterError,
  parseFilter,
  parseState,
  STATES_IN_ORDER,
  type StateName,
  stateFromForeignName,
  stateName,
} from '@lastack/core';
import { readSettings } from '@lastack/kernel';
import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { explainJson, renderExplain, renderExplainAll } from '../render/explain.ts';
import { printable } from '../render/printable.ts';
import { pageOptions } from '../render/report_options.ts';

interface ExplainCommandOptions {
  json?: boolean;
  ascii?: boolean;
}

export function explainCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('explain')
    .description(
      'what a TCP state means, who must act, what governs its length here; without a state the whole diagram',
    )
    .argument('[state...]', 'in any spelling, also as other systems call it: close-wait, FIN_WAIT_1, SYN_RECEIVED')
    .option('--json', 'one JSON document, schema lastack.state/1 (lastack.states/1 without a state)')
    .option('--ascii', 'draw with ASCII characters only')
    .action((words: string[], options: ExplainCommandOptions) => {
      effects.stdout.write(`${explain(effects, words, options)}\n`);
      done(Exit.OK);
    });
}

function explain(effects: Effects, words: string[], { json, ascii }: ExplainCommandOptions): string {
  const state = words.length === 0 ? undefined : readState(words.join(' '));
  const settings = readSettings(effects);
  if (json && state) return JSON.stringify(explainJson(state, settings));
  if (json) {
    const states = STATES_IN_ORDER.map((name) => explainJson(name, settings));
    return JSON.stringify({ schema: 'lastack.states/1', states });
  }
  const page = pageOptions(effects);
  const options = { ...page, ascii: ascii || page.ascii };
  return state ? renderExplain(state, { ...options, settings }) : renderExplainAll(options);
}

/** @throws UserError naming the states that may have been meant */
function readState(text: string): StateName {
  const number = parseState(text);
  const state = number === undefined ? stateFromForeignName(undefined, text) : (stateName(number) as StateName);
  if (state) return state;
  const near = nearestStates(text);
  const help = near.length > 0 ? `did you mean ${near.join(', ')}?` : `there are ${STATES_IN_ORDER.join(', ')}`;
  throw new UserError(`there is no TCP state '${printable(text)}'; ${help}`);
}

/** States whose name holds what was written, else the one that the filter language takes it for a typo of. */
function nearestStates(text: string): StateName[] {
  const wanted = fold(text);
  const holding = wanted === '' ? [] : STATES_IN_ORDER.filter((name) => fold(name).includes(wanted));
  if (holding.length > 0) return holding;
  const meant = parseState(typoOf(text) ?? '');
  return meant === undefined ? [] : [stateName(meant) as StateName];
}

function typoOf(text: string): string | undefined {
  try {
    parseFilter(['state', text.trim().replaceAll(/\s+/g, '-')]);
    return undefined;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return error.suggestion;
  }
}

function fold(text: string): string {
  return text.toLowerCase().replaceAll(/[-_ ]/g, '');
}
