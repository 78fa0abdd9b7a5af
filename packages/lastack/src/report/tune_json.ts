import type { Span, TuningEffect } from '@lastack/core';
import type { Effects } from '../effects.ts';
import type { DriftReport } from '../engine/tune/drift.ts';
import type { Advice, SetOutcome, ShownSettings } from '../engine/tune/outcome.ts';
import type { SettingView } from '../engine/tune/view.ts';

type Host = Pick<Effects, 'hostname' | 'now'>;

function head({ hostname, now }: Host) {
  return { host: hostname, at: new Date(now()).toISOString() };
}

/** One document, schema lastack.settings/1. */
export function settingsJson(effects: Host, { namespace, views, notes }: ShownSettings) {
  return { schema: 'lastack.settings/1', ...head(effects), netns: namespace, settings: views.map(settingJson), notes };
}

function settingJson({ setting, value, absent, meaning, findings }: SettingView) {
  const { name, path, scope, unit, kernelDefault, range, sensible, since, until, gone } = setting;
  return {
    name,
    path,
    value,
    absent,
    default: kernelDefault,
    unit,
    scope,
    range,
    sensible,
    since,
    until,
    gone,
    governs: setting.governs,
    doesNotGovern: setting.doesNotGovern,
    takesEffect: setting.takesEffect,
    risk: setting.risk,
    meaning,
    findings: findings.map(({ rule, count, title }) => ({ rule, count, title })),
  };
}

/** One document, schema lastack.tuning/1. */
export function tuningJson(effects: Host, { proposals, unhelped, profile, rule, notes }: Advice) {
  return {
    schema: 'lastack.tuning/1',
    ...head(effects),
    profile,
    rule,
    proposals: proposals.map(({ namespace, effects: changes, rules, ...proposal }) => ({
      netns: namespace.label,
      ...proposal,
      rules: [...rules],
      effects: changes.map(effectJson),
    })),
    unhelped,
    notes,
  };
}

function effectJson({ what, before, after, beforeMs, afterMs }: TuningEffect) {
  return { what, before, after, beforeMs: spanJson(beforeMs), afterMs: spanJson(afterMs) };
}

function spanJson(span: Span | undefined) {
  return span && { from: span.earliestMs, to: span.latestMs };
}

/** One document, schema lastack.tuned/1. */
export function tunedJson(effects: Host, { plan, dryRun, entry, keptIn, overridden }: SetOutcome) {
  return {
    schema: 'lastack.tuned/1',
    ...head(effects),
    netns: plan.namespace.label,
    dryRun,
    changed: entry !== undefined,
    entry,
    keptIn,
    settings: plan.items.map(({ setting, before, after, cautions, meaningBefore, meaningAfter }) => ({
      name: setting.name,
      before,
      after,
      cautions,
      meaningBefore,
      meaningAfter,
      overriddenBy: overridden.get(setting.name),
    })),
  };
}

/** One document, schema lastack.drift/1. */
export function driftJson(effects: Host, { drifts, unreadable }: DriftReport) {
  return {
    schema: 'lastack.drift/1',
    ...head(effects),
    drifts: drifts.map(({ setting, ...drift }) => ({ name: setting.name, default: setting.kernelDefault, ...drift })),
    unreadable,
  };
}
