import { type Command, Option } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { applySet } from '../../engine/tune/apply_set.ts';
import { type BootValue, overriddenBy } from '../../engine/tune/drift.ts';
import type { SetOutcome } from '../../engine/tune/outcome.ts';
import { type PlannedSetting, planSet, type SetPlan } from '../../engine/tune/plan_set.ts';
import { keptFile } from '../../journal/kept_settings.ts';
import { openJournal } from '../../journal/open.ts';
import { recover } from '../../journal/recover.ts';
import { tunedJson } from '../../report/tune_json.ts';
import { writeFitting } from '../render/fit_lines.ts';
import { printable } from '../render/printable.ts';
import { counted } from '../render/report_words.ts';
import { reportRecoveries } from './journal.ts';

interface SetFlags {
  netns?: string;
  persist?: boolean;
  dryRun?: boolean;
  force?: boolean;
  yes?: boolean;
  json?: boolean;
}

export function setCommand(tune: Command, effects: Effects, done: (code: number) => void, root: string): void {
  tune
    .command('set')
    .description('set one or several, all or none of them; `lastack undo` puts the old values back')
    .argument('<name=value...>', "tcp_fin_timeout=30, net.ipv4.tcp_retries2=8, 'ip_local_port_range=15000 60999'")
    .option('--netns <name>', 'in this network namespace: its name, or its inode number')
    .option('--persist', `also after a restart of the host: written to ${keptFile('/')}`)
    .option('--dry-run', 'check, show what would change, and change nothing')
    .option('--force', 'also values that do not do what they say')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'one JSON document, schema lastack.tuned/1')
    // What sysctl(8) wants to be told, in lines that people paste.
    .addOption(new Option('-w').hideHelp())
    .action(async (words: string[], flags: SetFlags) => done(await set(effects, words, flags, root)));
}

async function set(effects: Effects, words: readonly string[], flags: SetFlags, root: string): Promise<number> {
  const { netns, persist = false, force = false, dryRun = false } = flags;
  const plan = planSet(effects, { words, netns, persist, force });
  const overridden = persist ? overriding(plan, root) : new Map<string, BootValue>();
  const outcome = { plan, dryRun, overridden, ...(persist && { keptIn: keptFile(root) }) };
  if (dryRun) return report(effects, outcome, flags);
  const journal = openJournal(effects);
  reportRecoveries(effects, await recover(effects, journal));
  if (!(await agreed(effects, plan, flags))) {
    effects.stderr.write('lastack: nothing was changed\n');
    return Exit.FOUND_OR_NO_MATCH;
  }
  // What was read before the recovery or the question may be another value by now.
  const fresh = planSet(effects, { words, netns, persist, force });
  const entry = applySet(effects, journal, fresh, root);
  return report(effects, { ...outcome, plan: fresh, entry }, flags);
}

function overriding({ items }: SetPlan, root: string): Map<string, BootValue> {
  const found = items.flatMap(({ setting, after }): [string, BootValue][] => {
    const boot = overriddenBy(root, setting, after);
    return boot ? [[setting.name, boot]] : [];
  });
  return new Map(found);
}

/** A person is asked about several at once, about values with a caution, and about what reaches the whole host. */
async function agreed(effects: Effects, { items, namespace }: SetPlan, { yes, json }: SetFlags): Promise<boolean> {
  const isPlain =
    items.length === 1 && items.every(({ cautions, setting }) => cautions.length === 0 && setting.scope !== 'host');
  if (yes || json || isPlain) return true;
  if (!effects.isInteractive) {
    const cautioned = items.find(({ cautions }) => cautions.length > 0);
    if (!cautioned) return true;
    const text = `${cautioned.setting.name}: ${cautioned.cautions[0]}`;
    throw new UserError(
      `${text}; nothing was changed; say --yes to set it without a terminal, or --dry-run to see all`,
    );
  }
  writeFitting(effects.stderr, items.flatMap((item) => changeLines(item, namespace.label)).join(''));
  return effects.ask(`set ${counted(items.length, 'setting')}? [y/N] `);
}

function report(effects: Effects, outcome: SetOutcome, { json }: SetFlags): number {
  if (json) effects.stdout.write(`${JSON.stringify(tunedJson(effects, outcome))}\n`);
  else writeFitting(effects.stdout, renderSet(outcome));
  return Exit.OK;
}

function renderSet({ plan, dryRun, entry, keptIn, overridden }: SetOutcome): string {
  const { items, namespace } = plan;
  const lines = items.flatMap((item) => changeLines(item, namespace.label, dryRun ? 'would set ' : ''));
  if (keptIn !== undefined) {
    lines.push(`${dryRun ? 'would be kept' : 'kept'} after a restart: ${keptIn}\n`);
    for (const [name, { file, line, value }] of overridden) {
      lines.push(
        `but ${printable(file)} line ${line} is applied later and sets ${name} to ${printable(value)}: change that line\n`,
      );
    }
  }
  if (dryRun) return lines.join('');
  lines.push(
    entry === undefined ? 'nothing to change: it was so already\n' : `to take it back: lastack undo ${entry}\n`,
  );
  return lines.join('');
}

function changeLines(
  { setting, before, after, cautions, meaningBefore, meaningAfter }: PlannedSetting,
  label: string,
  prefix = '',
): string[] {
  const { name, scope, takesEffect } = setting;
  const where = scope === 'host' ? 'the whole host' : label;
  if (before === after) return [`${name} is ${after} already in ${printable(where)}\n`];
  return [
    `${prefix}${name} ${before} → ${after} in ${printable(where)}\n`,
    ...(meaningBefore === undefined ? [] : [`  before: ${meaningOnly(meaningBefore)}\n`]),
    ...(meaningAfter === undefined ? [] : [`  after: ${meaningOnly(meaningAfter)}\n`]),
    ...(takesEffect === 'at once' ? [] : [`  holds for ${takesEffect} only\n`]),
    ...cautions.map((caution) => `  caution: ${caution}\n`),
  ];
}

function meaningOnly(sentence: string): string {
  return sentence.replace(/^[^:]*: /, '');
}
