import { settingKeys, settingNumbers, settingValue, withValue } from '../settings/catalogue.ts';
import { checkValue } from '../settings/check.ts';
import { meaningHere } from '../settings/meaning.ts';
import type { KernelSetting, TakesEffect } from '../settings/setting.ts';
import type { Settings } from '../snapshot.ts';
import { commandFor, documented, instead, WHY_STUCK } from './evidence.ts';
import type { AdviceContext, AdviceEvidence, AdviceInstead, AdviceJudgement, AdviceVerdict } from './judgement.ts';
import { type SettingVerdict, settingVerdict } from './setting_verdicts.ts';

const TAKES_EFFECT: Readonly<Record<TakesEffect, string>> = {
  'at once': 'A change acts at once.',
  'newly armed timers': 'A change does not reach timers that run already.',
  'new sockets': 'A change reaches only sockets that are made after it.',
};

/** Judges a setting of the catalogue, or the value that somebody recommends for it. */
export function judgeSetting(setting: KernelSetting, context: AdviceContext): AdviceJudgement {
  const known = settingVerdict(setting.name) ?? { verdict: 'unknown', states: [] };
  const given = setting.gone ? undefined : judgeValue(setting, known, context);
  const isForOther = context.states.length > 0 && !context.states.some((state) => known.states.includes(state));
  const verdict = setting.gone ? 'gone' : isForOther ? 'does-nothing' : (given?.verdict ?? known.verdict);
  const why = [
    isForOther ? `It has no say in ${context.states.join(', ')}.` : undefined,
    given?.why,
    known.lead,
    ...facts(setting),
  ];
  return {
    verdict,
    why: why.filter((sentence) => sentence !== undefined).join(' '),
    evidence: [...(known.evidence ?? []), ...sources(setting)],
    instead: isForOther
      ? context.states.map(commandFor)
      : [...(known.instead ?? []), ...commands(setting, context, verdict)],
    ...(known.checkedBy && { checkedBy: known.checkedBy }),
  };
}

function facts({ name, until, gone, governs, doesNotGovern, takesEffect, risk }: KernelSetting): string[] {
  if (gone) return [`It was removed in Linux ${until}: ${gone.broke}.`, `Today: ${gone.instead}.`];
  const subject = name.startsWith('nf_') ? 'It sets' : 'It governs';
  const verb = governs.startsWith('after') || governs.startsWith('while') ? 'It counts' : subject;
  return [`${verb} ${governs}.`, `Not governed: ${doesNotGovern}.`, TAKES_EFFECT[takesEffect], `Risk: ${risk}.`];
}

interface JudgedValue {
  verdict: AdviceVerdict | undefined;
  why: string;
}

/** Undefined where no value was given. */
function judgeValue(
  setting: KernelSetting,
  known: SettingVerdict,
  { value, host }: AdviceContext,
): JudgedValue | undefined {
  if (value === undefined) return undefined;
  const checked = checkValue(setting, value, host);
  if (!checked.ok && !checked.canBeForced) {
    return { verdict: 'does-nothing', why: `The kernel does not take that: ${checked.because}.` };
  }
  const taken = checked.ok ? checked.value : value;
  if (taken === settingValue(setting, host))
    return { verdict: known.ofValue?.[taken], why: 'This host has that value already.' };
  if (!checked.ok) {
    const todo = checked.todo === undefined ? '' : ` Better: ${checked.todo}.`;
    return { verdict: known.ofFolly ?? 'harmful', why: `${sentence(checked.because)}.${todo}` };
  }
  const meaning = meaningHere(setting.name, withValue(host, setting, taken));
  const cautions = checked.cautions.map((caution) => `${sentence(caution)}.`);
  return {
    verdict: known.ofValue?.[taken] ?? ofDirection(setting, known, taken, host),
    why: [...(meaning ? [`${meaning}.`] : []), ...cautions].join(' '),
  };
}

/** Whether more or less of it than now; a setting of several numbers goes by the first that differs. */
function ofDirection(
  setting: KernelSetting,
  known: SettingVerdict,
  value: string,
  host: Settings,
): AdviceVerdict | undefined {
  const before = settingNumbers(setting, host) ?? setting.kernelDefault?.split(' ').map(Number);
  const after = value.split(' ').map(Number);
  const change = before?.map((number, index) => after[index] - number).find((difference) => difference !== 0);
  if (change === undefined) return undefined;
  return change < 0 ? known.lowered : known.raised;
}

function sentence(text: string): string {
  // A setting's name stays as it is written.
  return /^[a-z]+[ ,]/.test(text) ? `${text[0].toUpperCase()}${text.slice(1)}` : text;
}

function sources({ path }: KernelSetting): AdviceEvidence[] {
  const where = path.startsWith('net/netfilter')
    ? 'Documentation/networking/nf_conntrack-sysctl.rst'
    : path.startsWith('net/core')
      ? 'Documentation/admin-guide/sysctl/net.rst'
      : 'tcp(7); Documentation/networking/ip-sysctl.rst';
  return [documented(where, `description of ${path.split('/').at(-1)}`)];
}

function commands(setting: KernelSetting, { value, host }: AdviceContext, verdict: AdviceVerdict): AdviceInstead[] {
  if (setting.gone) return [];
  if (verdict === 'does-nothing') return [WHY_STUCK];
  const checked = value === undefined ? undefined : checkValue(setting, value, host);
  const isOffered = checked?.ok && verdict !== 'harmful' && setting.scope === 'namespace';
  if (!isOffered || checked.value === settingValue(setting, host)) {
    return [instead('lastack tune', 'this setting and the others with their values here, and what each means')];
  }
  const assignment = `${setting.name}=${checked.value}`;
  const shown = assignment.includes(' ') ? `'${assignment}'` : assignment;
  return [
    instead(
      `lastack tune set ${shown} --dry-run`,
      'checks the value, and shows what it would mean here; lastack undo puts it back',
    ),
  ];
}

/** How many numbers the setting takes. */
export function numbersOf(setting: KernelSetting): number {
  return settingKeys(setting).length;
}
