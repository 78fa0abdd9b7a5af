import {
  adviseTuning,
  type Finding,
  findSetting,
  type KernelSetting,
  type Note,
  RULES,
  TUNING_PROFILES,
  type TuningProfile,
} from '@lastack/core';
import { KernelError, type NamespaceRef } from '@lastack/kernel';
import type { Command } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { findDrift } from '../../engine/tune/drift.ts';
import { findNamespace, isHostsOwn, namespaceText } from '../../engine/tune/place.ts';
import { unknownSetting } from '../../engine/tune/plan_set.ts';
import { viewSettings } from '../../engine/tune/view.ts';
import { isComplete } from '../../report/report_json.ts';
import { driftJson, settingsJson, tuningJson } from '../../report/tune_json.ts';
import { noteLine } from '../render/note_line.ts';
import { pageOptions } from '../render/report_options.ts';
import { renderDrift, renderSettings, renderTuning } from '../render/tune.ts';
import { examine } from './doctor.ts';
import { setCommand } from './tune_set.ts';

interface ShowFlags {
  netns?: string;
  json?: boolean;
}

interface AdviseFlags {
  for?: string;
  netns?: string;
  json?: boolean;
}

/** @param root below which /etc and the other folders of sysctl.d are; tests use one of their own */
export function tuneCommand(program: Command, effects: Effects, done: (code: number) => void, root = '/'): void {
  const tune = program
    .command('tune')
    .description('the kernel settings that govern how connections end: show, advise, set, compare with the files');
  tune
    .command('show', { isDefault: true })
    .description('every setting: its value here, what it governs and what not, what it means for what is found now')
    .argument('[name...]', 'only these: tcp_fin_timeout, net.ipv4.tcp_retries2')
    .option('--netns <name>', 'of this network namespace: its name, or its inode number')
    .option('--json', 'one JSON document, schema lastack.settings/1')
    .action(async (names: string[], flags: ShowFlags) => done(await show(effects, names, flags)));
  tune
    .command('advise')
    .description('what to change for what is found on this host now, with the forecast before and after; often nothing')
    .option(
      '--for <profile|finding>',
      `lean to what such a host needs (${TUNING_PROFILES.join(', ')}), or one rule only`,
    )
    .option('--netns <name>', 'for this network namespace only')
    .option('--json', 'one JSON document, schema lastack.tuning/1')
    .allowExcessArguments(false)
    .action(async (flags: AdviseFlags) => done(await advise(effects, flags)));
  setCommand(tune, effects, done, root);
  tune
    .command('drift')
    .description('where the running values, the file of lastack and the other files of sysctl.d disagree')
    .option('--json', 'one JSON document, schema lastack.drift/1')
    .allowExcessArguments(false)
    .action((flags: { json?: boolean }) => done(drift(effects, flags, root)));
}

async function show(effects: Effects, names: readonly string[], { netns, json }: ShowFlags): Promise<number> {
  const wanted = names.length === 0 ? undefined : names.map(knownSetting);
  const namespace = findNamespace(effects, netns);
  const notes: Note[] = [];
  const findings = await findingsIn(effects, namespace, notes);
  const views = viewSettings(effects, namespace, findings, wanted);
  const view = { namespace: namespace.label, views, notes };
  effects.stdout.write(
    json ? `${JSON.stringify(settingsJson(effects, view))}\n` : renderSettings(view, pageOptions(effects)),
  );
  if (!json) for (const note of notes) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  return notes.some(({ incomplete }) => incomplete) ? Exit.PARTIAL : Exit.OK;
}

/** @throws UserError with the nearest names */
function knownSetting(name: string): KernelSetting {
  const setting = findSetting(name);
  if (setting) return setting;
  throw new UserError(unknownSetting(name));
}

/** What is wrong there now. The settings can be shown without it. */
async function findingsIn(effects: Effects, { inode }: NamespaceRef, notes: Note[]): Promise<readonly Finding[]> {
  try {
    const { findings } = await examine(effects, [inode], 0);
    return findings;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    notes.push({ what: 'sockets not looked at', because: error.message, todo: error.todo, incomplete: true });
    return [];
  }
}

async function advise(effects: Effects, { for: purpose, netns, json }: AdviseFlags): Promise<number> {
  const options = readPurpose(purpose);
  const scope = netns === undefined ? ('all' as const) : [findNamespace(effects, netns).inode];
  const { observation, findings } = await examine(effects, scope, 0);
  const tuning = adviseTuning(observation, findings, options);
  const advice = { ...tuning, ...options, looked: observation.namespaces.length, notes: observation.notes };
  effects.stdout.write(
    json ? `${JSON.stringify(tuningJson(effects, advice))}\n` : renderTuning(advice, pageOptions(effects)),
  );
  if (!json) for (const note of observation.notes) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  return isComplete(observation) ? Exit.OK : Exit.PARTIAL;
}

/** @throws UserError for a word that is neither */
function readPurpose(text: string | undefined): { profile?: TuningProfile; rule?: string } {
  if (text === undefined) return {};
  const profile = TUNING_PROFILES.find((one) => one === text);
  if (profile) return { profile };
  if (RULES.some(({ id }) => id === text)) return { rule: text };
  throw new UserError(
    `--for ${text}: neither a profile (${TUNING_PROFILES.join(', ')}) nor a rule; the last line of each finding of \`lastack\` names its rule`,
  );
}

function drift(effects: Effects, { json }: { json?: boolean }, root: string): number {
  const namespace = findNamespace(effects, undefined);
  if (!isHostsOwn(namespace)) {
    throw new UserError(
      `the files are applied to the host's own network namespace when it starts, and this is another (${namespaceText(namespace)}); as root: nsenter --net=/proc/1/ns/net lastack tune drift`,
      Exit.NOT_POSSIBLE,
    );
  }
  const report = findDrift(effects, namespace, root);
  effects.stdout.write(
    json ? `${JSON.stringify(driftJson(effects, report))}\n` : renderDrift(report, pageOptions(effects)),
  );
  if (report.unreadable.length > 0) return Exit.PARTIAL;
  return report.drifts.length > 0 ? Exit.FOUND_OR_NO_MATCH : Exit.OK;
}
