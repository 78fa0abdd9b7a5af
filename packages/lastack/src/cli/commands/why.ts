import type { Command } from 'commander';
import { type Effects, Exit, UserError, writeLast } from '../../effects.ts';
import { withUsefulAdvice } from '../../engine/advice.ts';
import { closeNamespaces, type Observation, observe } from '../../engine/observation.ts';
import { fetchOwners } from '../../engine/second_pass.ts';
import { parseTarget, type Target, targetText } from '../../engine/target.ts';
import { explainConnection, rowsByNamespace } from '../../engine/why.ts';
import { matchesJson, whyJson } from '../../engine/why_json.ts';
import { findMatches, type Match } from '../../engine/why_matches.ts';
import { noteLine } from '../render/note_line.ts';
import { printable } from '../render/printable.ts';
import { pageOptions } from '../render/report_options.ts';
import { counted } from '../render/report_words.ts';
import { closeViewOf, renderMatches, renderWhy } from '../render/why.ts';

export function whyCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('why')
    .description('explain one connection in depth: both ends, the missing step, when it ends, what to do')
    .argument('<target...>', '10.0.0.153:4000-10.0.2.46:2572, 10.0.2.46:2572, :4000, cookie:1a2b or pid:1581 fd:7')
    .option('--json', 'one JSON document, schema lastack.why/1')
    // An arrow between two ends looks like an option.
    .allowUnknownOption()
    .action(async (words: string[], options: { json?: boolean }) => done(await why(effects, words, options)));
}

async function why(effects: Effects, words: string[], { json }: { json?: boolean }): Promise<number> {
  const option = words.find((word) => /^--?[a-z]/i.test(word));
  if (option !== undefined) throw new UserError(`why has no option ${printable(option)}; its only one is --json`);
  const target = parseTarget(words);
  const observation = await observe(effects, 'all');
  try {
    const matches = findMatches(effects, observation, target);
    if (matches.length === 1) {
      const known = await explainConnection(effects, observation, matches[0]);
      writeLast(
        effects.stdout,
        json ? jsonLine(whyJson(known, closeViewOf(known))) : renderWhy(known, pageOptions(effects)),
      );
      return Exit.OK;
    }
    return matches.length === 0
      ? reportNone(effects, observation, target, json)
      : reportSeveral(effects, observation, target, matches, json);
  } finally {
    closeNamespaces(observation.namespaces);
  }
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Says where was looked, since a socket may be where one may not look. */
function reportNone(effects: Effects, observation: Observation, target: Target, json?: boolean): number {
  const { namespaces } = observation;
  const notes = withUsefulAdvice(effects, observation.notes);
  const labels = namespaces.slice(0, 5).map(({ label }) => label);
  const rest = namespaces.length > labels.length ? ` and ${namespaces.length - labels.length} more` : '';
  const places = `${counted(namespaces.length, 'network namespace')} (${labels.join(', ')}${rest})`;
  if (json) writeLast(effects.stdout, jsonLine(matchesJson({ ...observation, notes }, [])));
  effects.stderr.write(`lastack: no socket matches: looked for ${targetText(target)} in ${places}\n`);
  for (const note of notes) if (note.incomplete) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  return Exit.FOUND_OR_NO_MATCH;
}

const OWNERS_SOUGHT = 20;

function reportSeveral(
  effects: Effects,
  observation: Observation,
  target: Target,
  matches: readonly Match[],
  json?: boolean,
): number {
  const shown = matches.slice(0, OWNERS_SOUGHT).map(({ here }) => here);
  fetchOwners(effects, observation, rowsByNamespace(shown));
  const notes = withUsefulAdvice(effects, observation.notes);
  writeLast(
    effects.stdout,
    json
      ? jsonLine(matchesJson({ ...observation, notes }, matches))
      : renderMatches(matches, targetText(target), observation.owners, pageOptions(effects)),
  );
  return Exit.USAGE;
}
