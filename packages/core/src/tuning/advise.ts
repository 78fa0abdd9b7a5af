import type { Finding } from '../finding.ts';
import { tuneCommand } from '../rules/shared/remedies.ts';
import { findSetting, KERNEL_SETTINGS, settingValue, withValue } from '../settings/catalogue.ts';
import { checkValue } from '../settings/check.ts';
import type { NamespaceSnapshot, Snapshot } from '../snapshot.ts';
import { type Candidate, candidatesFor } from './candidates.ts';
import { generalEffect, type Judged, judge } from './effect.ts';
import type { Proposal, Tuning, TuningProfile, Unhelped } from './tuning.ts';
import { whyUnhelped } from './unhelped.ts';

export interface TuningOptions {
  profile?: TuningProfile;
  /** Only what this rule found. */
  rule?: string;
}

/**
 * Settings that the findings of a snapshot speak for, each with what it would change. Nothing without evidence: a host
 * without findings and with settings that do what they say gets none.
 */
export function adviseTuning(
  snapshot: Pick<Snapshot, 'timerHz' | 'namespaces'>,
  findings: readonly Finding[],
  { profile, rule }: TuningOptions = {},
): Tuning {
  const proposals = new Map<string, Proposal>();
  const unhelped: Unhelped[] = [];
  for (const finding of findings) {
    if (rule !== undefined && finding.rule !== rule) continue;
    const candidates = candidatesFor(finding, profile);
    const mine = candidates.flatMap((candidate) => proposalOf(finding, snapshot, candidate) ?? []);
    if (mine.length === 0) {
      const because = whyUnhelped(finding, [...new Set(candidates.map(({ name }) => name))]);
      unhelped.push({ rule: finding.rule, title: finding.title, because });
    }
    for (const proposal of mine) add(proposals, proposal);
  }
  const misleading = rule === undefined ? snapshot.namespaces.flatMap((one) => misleadingValues(one, snapshot)) : [];
  for (const proposal of misleading) add(proposals, proposal);
  return { proposals: [...proposals.values()], unhelped };
}

/** One proposal for each setting of a namespace: what several findings ask for is said once, the first value stands. */
function add(proposals: Map<string, Proposal>, proposal: Proposal): void {
  const key = `${proposal.namespace.inode} ${proposal.name}`;
  const other = proposals.get(key);
  if (!other) {
    proposals.set(key, proposal);
    return;
  }
  if (other.after !== proposal.after) return;
  proposals.set(key, {
    ...other,
    because: `${other.because}; ${proposal.because}`,
    rules: [...new Set([...other.rules, ...proposal.rules])],
    effects: [
      ...other.effects,
      ...proposal.effects.filter(({ what }) => other.effects.every((one) => one.what !== what)),
    ],
  });
}

function proposalOf(
  finding: Finding,
  snapshot: Pick<Snapshot, 'timerHz'>,
  { name, value, sideEffects }: Candidate,
): Proposal | undefined {
  const { namespace } = finding;
  const setting = findSetting(name);
  const before = setting && settingValue(setting, namespace.settings);
  if (setting === undefined || before === undefined || before === value) return undefined;
  const judged = judge(finding, snapshot, name, value);
  if (!judged.helps || !checkValue(setting, value, namespace.settings).ok) return undefined;
  return {
    namespace,
    name,
    before,
    after: value,
    because: `${finding.title} (${finding.rule})`,
    rules: [finding.rule],
    effects: judged.effects,
    sideEffects,
    ...confidenceIn(finding, judged),
    command: tuneCommand(namespace, { name, value }),
  };
}

function confidenceIn(
  { blame, forecast }: Finding,
  { actsOnThem }: Judged,
): Pick<Proposal, 'confidence' | 'confidenceBecause'> {
  if (!actsOnThem) {
    return {
      confidence: 'medium',
      confidenceBecause: 'it changes what comes from now on; what is there already keeps its timers',
    };
  }
  if (blame === 'peer-host or path' || blame === 'path' || forecast.kind === 'unknown') {
    return {
      confidence: 'medium',
      confidenceBecause:
        'the kernel reads it at each timer, so the forecast holds; whether the peer would have come back cannot be told from here',
    };
  }
  return {
    confidence: 'high',
    confidenceBecause: 'the kernel reads it at each timer, so the forecast holds for these sockets',
  };
}

/** Present values that do not do what they say, whoever set them. */
function misleadingValues(namespace: NamespaceSnapshot, snapshot: Pick<Snapshot, 'timerHz'>): Proposal[] {
  const { settings } = namespace;
  return KERNEL_SETTINGS.flatMap((setting): Proposal[] => {
    const { name, kernelDefault } = setting;
    const before = settingValue(setting, settings);
    if (before === undefined || kernelDefault === undefined || before === kernelDefault || setting.gone) return [];
    const checked = checkValue(setting, before, settings);
    if (checked.ok) return [];
    const changed = checkValue(setting, kernelDefault, settings);
    if (!changed.ok) return [];
    const effect = generalEffect(name, settings, withValue(settings, setting, kernelDefault), snapshot);
    return [
      {
        namespace,
        name,
        before,
        after: kernelDefault,
        because: `the present value does not do what it says: ${checked.because}`,
        rules: [],
        effects: effect ? [effect] : [],
        sideEffects: setting.risk,
        confidence: 'high',
        confidenceBecause: 'it is the default of the kernel',
        command: tuneCommand(namespace, { name, value: kernelDefault }),
      },
    ];
  });
}
