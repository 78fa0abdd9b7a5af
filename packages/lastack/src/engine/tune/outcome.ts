import type { Note, Tuning, TuningProfile } from '@lastack/core';
import type { BootValue } from './drift.ts';
import type { SetPlan } from './plan_set.ts';
import type { SettingView } from './view.ts';

// What the subcommands of tune come to: the values that text and JSON are made from.

export interface ShownSettings {
  namespace: string;
  views: readonly SettingView[];
  notes: readonly Note[];
}

export interface Advice extends Tuning {
  profile?: TuningProfile;
  rule?: string;
  /** How many network namespaces were looked at. */
  looked: number;
  notes: readonly Note[];
}

/** What was set, or with `dryRun` would be. */
export interface SetOutcome {
  plan: SetPlan;
  dryRun: boolean;
  /** Of the journal; undefined when nothing was changed. */
  entry?: number;
  keptIn?: string;
  /** By name, where another file wins over ours at boot. */
  overridden: ReadonlyMap<string, BootValue>;
}
