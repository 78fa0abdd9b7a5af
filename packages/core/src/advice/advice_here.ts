import { findSetting, settingValue } from '../settings/catalogue.ts';
import { meaningHere } from '../settings/meaning.ts';
import type { Settings } from '../snapshot.ts';
import type { JudgedAdvice } from './judge_advice.ts';

/** What the settings that the advice is about are on this host, and what that means; a sentence each. */
export function adviceHere(
  { settings: names }: Pick<JudgedAdvice, 'settings'>,
  settings: Settings,
  timerHz: number | undefined,
): string[] {
  return names.map((name) => `${meaningHere(name, settings, { timerHz }) ?? absence(name)}.`);
}

/** The value of each, null where there is none or it could not be read. */
export function adviceSettings({ settings: names }: JudgedAdvice, settings: Settings): Record<string, string | null> {
  return Object.fromEntries(names.map((name) => [name, valueHere(name, settings) ?? null]));
}

function valueHere(name: string, settings: Settings): string | undefined {
  const setting = findSetting(name);
  return setting && settingValue(setting, settings);
}

function absence(name: string): string {
  const setting = findSetting(name);
  if (setting?.until !== undefined) return `${name}: this kernel has no such setting`;
  if (setting?.path.startsWith('net/netfilter'))
    return `${name}: connection tracking is not in use, or may not be read`;
  if (setting?.since !== undefined) return `${name}: not readable here; kernels have it since ${setting.since}`;
  return `${name}: not readable here`;
}
