import { type KernelSetting, type Proposal, rangeText } from '@lastack/core';
import type { Drift, DriftReport } from '../../engine/tune/drift.ts';
import type { Advice, ShownSettings } from '../../engine/tune/outcome.ts';
import type { SettingView } from '../../engine/tune/view.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { counted, sentence } from './report_words.ts';

/** A paragraph for each setting; those that this kernel does not have come last, in one line each. */
export function renderSettings({ namespace, views }: ShownSettings, options: PageOptions): string {
  const page = new Page(options);
  const present = views.filter(({ absent }) => absent === undefined);
  const lines = [page.style.bold(page.say(`Settings in network namespace ${namespace}`))];
  for (const view of present) lines.push('', ...settingLines(page, view));
  const absent = views.flatMap((view) => (view.absent === undefined ? [] : [view.absent]));
  if (absent.length > 0)
    lines.push('', page.style.bold('Not here'), ...absent.flatMap((text) => page.prose(text, '    ', '  ')));
  return `${lines.join('\n')}\n`;
}

function settingLines(page: Page, { setting, value = '', meaning, findings }: SettingView): string[] {
  const { cyan } = page.style;
  const head = `${setting.name} = ${value}${unitText(setting)}`;
  return [
    ...page.prose(head, '  ', '').map((line) => cyan(line)),
    ...page.paragraph('Default', defaultText(setting, value)),
    ...page.paragraph('Here', meaning && sentence(meaning)),
    ...page.paragraph('Now', findingsText(findings)),
    ...page.paragraph('Governs', `${sentence(setting.governs)} ${whenText(setting)}`),
    ...page.paragraph('Not', sentence(setting.doesNotGovern)),
    ...page.paragraph('Risk', sentence(setting.risk)),
  ];
}

function unitText({ unit }: KernelSetting): string {
  return unit === 'switch' ? '' : ` ${unit}`;
}

function defaultText({ kernelDefault, defaultNote, scope, since, sensible }: KernelSetting, value: string): string {
  const parts = [
    ...(kernelDefault === undefined ? [] : [`${kernelDefault}${kernelDefault === value ? '' : ' (changed here)'}`]),
    ...(defaultNote === undefined ? [] : [defaultNote]),
    `from ${rangeText(sensible)}`,
    scope === 'host' ? 'one value for the whole host' : 'each network namespace has its own',
    ...(since === undefined ? [] : [`since Linux ${since}`]),
  ];
  return parts.join('; ');
}

function whenText({ takesEffect }: KernelSetting): string {
  return takesEffect === 'at once' ? 'A change acts at once.' : `A change acts on ${takesEffect} only.`;
}

function findingsText(findings: SettingView['findings']): string | undefined {
  if (findings.length === 0) return undefined;
  return findings.map(({ rule, title }) => `${title} (${rule})`).join('; ');
}

export function renderTuning({ proposals, unhelped, rule, looked }: Advice, options: PageOptions): string {
  const page = new Page(options);
  const lines: string[] = [];
  proposals.forEach((proposal, index) => {
    if (index > 0) lines.push('');
    lines.push(...proposalLines(page, proposal, looked > 1));
  });
  if (proposals.length === 0) {
    const why =
      unhelped.length > 0
        ? 'no setting helps with what was found'
        : rule === undefined
          ? `nothing was found that a setting governs, in ${counted(looked, 'network namespace')}`
          : `${rule} finds nothing on this host now`;
    lines.push(...page.prose(`Nothing to change: ${why}.`, '  ', ''));
  }
  if (unhelped.length > 0) {
    lines.push('', page.style.bold('No setting helps with'));
    for (const { title, because } of unhelped) lines.push(...page.prose(`${title}: ${because}`, '    ', '  '));
  }
  return `${lines.join('\n')}\n`;
}

function proposalLines(page: Page, proposal: Proposal, withNamespace: boolean): string[] {
  const { name, before, after, namespace, because, effects, sideEffects, confidence, confidenceBecause, command } =
    proposal;
  const where = withNamespace ? ` in ${namespace.label}` : '';
  return [
    ...page.prose(`${name} ${before} → ${after}${where}`, '  ', '').map((line) => page.style.bold(line)),
    ...page.paragraph('Why', sentence(because)),
    ...page.labelled(
      'Effect',
      effects.flatMap((effect) => page.body(`${effect.what}: ${effect.before} → ${effect.after}`, '  ')),
    ),
    ...page.paragraph('Risk', sentence(sideEffects)),
    ...page.paragraph('Sure', sentence(`${confidence}: ${confidenceBecause}`)),
    ...page.labelled('Do', [page.style.cyan(page.say(command))]),
  ];
}

export function renderDrift({ drifts, unreadable }: DriftReport, options: PageOptions): string {
  const page = new Page(options);
  const lines = drifts.flatMap((drift, index) => [...(index > 0 ? [''] : []), ...driftLines(page, drift)]);
  if (drifts.length === 0) lines.push('The running values are those that the files give at the next start.');
  for (const { file, because } of unreadable) lines.push(...page.prose(`not read: ${file}: ${because}`, '  ', ''));
  return `${lines.join('\n')}\n`;
}

function driftLines(page: Page, { setting, running, kept, boot, because, todo }: Drift): string[] {
  const values = [
    `running ${running ?? '-'}`,
    `lastack's file ${kept ?? '-'}`,
    `at the next start ${boot?.value ?? setting.kernelDefault ?? 'the default'}`,
  ];
  return [
    ...page.prose(`${setting.name}: ${values.join(', ')}`, '  ', '').map((line) => page.style.bold(line)),
    ...page.paragraph('Why', sentence(because)),
    ...page.paragraph('Do', todo),
  ];
}
