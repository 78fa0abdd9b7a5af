import {
  concernsOf,
  type Finding,
  KERNEL_SETTINGS,
  type KernelSetting,
  meaningHere,
  settingValue,
} from '@lastack/core';
import { type NamespaceRef, readSettings, readTimerHz } from '@lastack/kernel';
import type { Effects } from '../../effects.ts';
import { absenceOf } from './absent.ts';
import { insideOrRefuse } from './place.ts';

/** A setting as one namespace has it. */
export interface SettingView {
  setting: KernelSetting;
  /** Undefined where the namespace does not show it; `absent` then says why. */
  value?: string;
  absent?: string;
  /** What it means here, without its name and value. */
  meaning?: string;
  /** What was found that it governs. */
  findings: readonly Finding[];
}

/** The settings of a namespace, each with what it means for what was found there. @throws UserError */
export function viewSettings(
  effects: Effects,
  namespace: NamespaceRef,
  findings: readonly Finding[],
  wanted: readonly KernelSetting[] = KERNEL_SETTINGS,
): SettingView[] {
  const settings = insideOrRefuse(effects, namespace, () => readSettings(effects));
  const timerHz = readTimerHz(effects.libc());
  const here = findings.filter((finding) => finding.namespace.inode === namespace.inode);
  return wanted.map((setting): SettingView => {
    const { name } = setting;
    const value = settingValue(setting, settings);
    const concerned = here.filter((finding) => concernsOf(finding).includes(name));
    if (value === undefined)
      return { setting, absent: absenceOf(setting, effects, namespace.label), findings: concerned };
    const sentence = meaningHere(name, settings, { timerHz });
    const meaning = sentence?.includes(': ') ? sentence.slice(sentence.indexOf(': ') + 2) : undefined;
    return { setting, value, ...(meaning !== undefined && { meaning }), findings: concerned };
  });
}
