import {
  FilterError,
  FOREIGN_SETTINGS,
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
import { explainAdvice, explainList } from './explain_advice.ts';

interface ExplainCommandOptions {
  json?: boolean;
  ascii?: boolean;
  list?: boolean;
}

export function explainCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('explain')
    .description(
      'what a TCP state means, who must act, what governs its length here; or what a piece of advice is worth (a setting, an option, a command that somebody recommends); without either the whole diagram',
    )
    .argument(
      '[state or advice...]',
      'a state in any spelling, also as other systems call it: close-wait, FIN_WAIT_1, SYN_RECEIVED; or advice as it was pasted: tcp_tw_recycle, "sysctl -w net.ipv4.tcp_fin_timeout=15", "kill -9"',
    )
    .option('--list', 'all advice that is known, with its verdicts')
    .option(
      '--json',
      'one JSON document, schema lastack.state/1 (lastack.advice/1 for advice, lastack.states/1 without either)',
    )
    .option('--ascii', 'draw with ASCII characters only')
    // Most commands that people paste have options of their own.
    .allowUnknownOption()
    .action(async (words: string[], options: ExplainCommandOptions) => {
      await explain(effects, words, options);
      done(Exit.OK);
    });
}

async function explain(effects: Effects, words: string[], options: ExplainCommandOptions): Promise<void> {
  const text = words.join(' ');
  if (options.list && words.length > 0)
    throw new UserError('explain --list lists everything; leave out what follows it');
  if (options.list) return write(effects, explainList(effects, options.json));
  if (words.length === 0) return write(effects, explainStates(effects, options));
  const state = readState(text);
  // Two settings of AIX are named like states. Nobody else writes them exactly so.
  const isSetting = FOREIGN_SETTINGS.some(({ name }) => name === text.trim());
  if (isSetting) return explainAdvice(effects, words, { json: options.json, alsoState: state });
  if (state) return write(effects, explainState(effects, state, options));
  return explainAdvice(effects, words, { json: options.json, otherwise: noSuchState(text) });
}

function write(effects: Effects, text: string): void {
  effects.stdout.write(`${text}\n`);
}

function explainStates(effects: Effects, { json, ascii }: ExplainCommandOptions): string {
  const page = pageOptions(effects);
  if (!json) return renderExplainAll({ ...page, ascii: ascii || page.ascii });
  const settings = readSettings(effects);
  const states = STATES_IN_ORDER.map((name) => explainJson(name, settings));
  return JSON.stringify({ schema: 'lastack.states/1', states });
}

function explainState(effects: Effects, state: StateName, { json, ascii }: ExplainCommandOptions): string {
  const settings = readSettings(effects);
  if (json) return JSON.stringify(explainJson(state, settings));
  const page = pageOptions(effects);
  return renderExplain(state, { ...page, ascii: ascii || page.ascii, settings });
}

/** `what is FIN_WAIT1?` */
const QUESTION =
  /^(?:(?:what(?:'s|\s+(?:is|does))|explain)\s+)?(?:(?:an?|the)\s+)?(?<state>[\w-]+(?:\s\w+){0,2}?)(?:\s+(?:state|means?))?\s*[?!.]*$/i;
const LONGEST_QUESTION = 80;

function readState(text: string): StateName | undefined {
  const asked = text.length <= LONGEST_QUESTION ? QUESTION.exec(text.trim())?.groups?.state : undefined;
  return stateNamed(text) ?? (asked === undefined ? undefined : stateNamed(asked));
}

function stateNamed(text: string): StateName | undefined {
  const number = parseState(text);
  return number === undefined ? stateFromForeignName(undefined, text) : (stateName(number) as StateName);
}

/** Says so when it looks like a state that was meant; undefined when nothing does. */
function noSuchState(text: string): string | undefined {
  const near = nearestStates(text);
  return near.length > 0 ? `there is no TCP state '${printable(text)}'; did you mean ${near.join(', ')}?` : undefined;
}

/** Shorter texts are in too many names. */
const SHORTEST_PART = 3;

/** States whose name holds what was written, else the one that the filter language takes it for a typo of. */
function nearestStates(text: string): StateName[] {
  const wanted = fold(text);
  const holding = wanted.length < SHORTEST_PART ? [] : STATES_IN_ORDER.filter((name) => fold(name).includes(wanted));
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
